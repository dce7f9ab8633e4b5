<?php
// The sending script of the article "Simple web chat with Comet", as printed but for host, port, login and password.
$link = mysqli_connect(
    getenv('COMETQL_HOST') ?: '127.0.0.1',
    getenv('COMETQL_LOGIN') ?: '15',
    getenv('COMETQL_PASSWORD') ?: '',
    'CometQL_v1',
    getenv('COMETQL_PORT') ?: 3307
);
// send a message to the channel
mysqli_query( $link, "INSERT INTO pipes_messages (name, event, message) VALUES ('SimplePhpChat', '', '".mysqli_real_escape_string($link,htmlspecialchars($_GET['text']))."' );" );
