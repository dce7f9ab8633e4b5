<?php
// PHP's mysqli: the functions of old scripts, the objects of new ones, prepared statements, persistent connections.

require 'tap.php';
[$host, $port, $login, $password, $name] = array_map('getenv', ['COMETQL_HOST', 'COMETQL_PORT', 'COMETQL_LOGIN', 'COMETQL_PASSWORD', 'NAME']);
$first = 1000; // of the users that it makes
const DATABASE = 'CometQL_v1';

check('functions: a wrong password and an unknown database are told by their numbers', function () use ($host, $port, $login, $password) {
    mysqli_report(MYSQLI_REPORT_OFF);
    same(@mysqli_connect($host, $login, 'guessed', DATABASE, $port), false);
    same(mysqli_connect_errno(), 1045);
    same(@mysqli_connect($host, $login, $password, 'nowhere', $port), false);
    same(mysqli_connect_errno(), 1049);
});

check('functions: queries, errors and what they leave behind', function () use ($host, $port, $login, $password) {
    mysqli_report(MYSQLI_REPORT_OFF);
    $link = mysqli_connect($host, $login, $password, DATABASE, $port);
    same(mysqli_fetch_assoc(mysqli_query($link, 'SELECT 1')), ['1' => '1']);
    same(mysqli_query($link, "INSERT INTO nowhere (a) VALUES ('b')"), false);
    same([mysqli_errno($link), mysqli_sqlstate($link)], [1146, '42S02']);
    same(mysqli_query($link, 'SELEKT 1'), false);
    same([mysqli_errno($link), mysqli_sqlstate($link)], [1064, '42000']);
    same(mysqli_fetch_row(mysqli_query($link, 'SELECT DATABASE()')), [DATABASE]);
    same(mysqli_errno($link), 0);
    same(mysqli_query($link, "INSERT INTO pipes_messages (name, event, message) VALUES ('nobody_here', '', 'hello')"), true);
    same([mysqli_affected_rows($link), mysqli_insert_id($link)], [0, 0]);
    same(mysqli_ping($link), true);
    same(mysqli_close($link), true);
});

mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
$connect = fn(string $at = '') => new mysqli($at . $host, $login, $password, DATABASE, (int) $port);
$db = $connect();

check('objects: errors are exceptions, and the connection goes on', function () use ($db, $connect, $host, $port, $login) {
    fails(1045, fn() => new mysqli($host, $login, '', DATABASE, (int) $port));
    fails(1146, fn() => $db->query('SELECT * FROM nowhere'));
    fails(1064, fn() => $db->query('SELEKT 1'));
    fails(1049, fn() => $db->select_db('nowhere'));
    same($db->query('SELECT 1')->fetch_row(), ['1']);
});

check('objects: the database, the version, the tables', function () use ($db) {
    same($db->select_db('db_15'), true);
    same($db->query('SELECT DATABASE()')->fetch_column(), 'db_15');
    same($db->select_db(DATABASE), true);
    same(str_starts_with($db->server_info, '5.7.'), true);
    same($db->query('SELECT @@version')->fetch_column(), $db->server_info);
    $tables = $db->query('SHOW TABLES');
    same($tables->field_count, 1);
    same(in_array(['pipes_messages'], $tables->fetch_all()), true);
    $unbuffered = $db->query('SHOW DATABASES', MYSQLI_USE_RESULT);
    same($unbuffered->fetch_row(), [DATABASE]);
    same($unbuffered->fetch_row(), null);
    $unbuffered->free();
});

check('objects: ping, stat, character set, options', function () use ($db) {
    same(@$db->ping(), true);
    same(preg_match('/^Uptime: \d/', $db->stat()), 1);
    same($db->set_charset('utf8mb4'), true);
    same($db->character_set_name(), 'utf8mb4');
    same($db->thread_id > 0, true);
    same($db->warning_count, 0);
});

// CppComet's OK packets made PHP double the quotes after some statements and not after others.
check('quoting is the same after every kind of statement', function () use ($db, $name) {
    $kinds = [
        'SELECT 1', 'SHOW TABLES', "SET NAMES 'utf8mb4'", 'SET autocommit=1', 'USE CometQL_v1',
        "INSERT INTO pipes_messages (name, event, message) VALUES ('nobody_here', '', 'hello')", 'SELEKT', 'COMMIT',
    ];
    foreach (texts() as $place => $text) {
        try {
            $result = $db->query($kinds[$place % count($kinds)]);
            $result instanceof mysqli_result && $result->free();
        } catch (mysqli_sql_exception $error) {
            same($error->getCode(), 1064);
        }
        same($db->real_escape_string("it's \\"), "it\\'s \\\\");
        $text = $db->real_escape_string($text);
        same($db->query("INSERT INTO pipes_messages (name, event, message) VALUES ('{$name}_quoted', 'note', '$text')"), true);
    }
});

check('several statements in one', function () use ($db) {
    same($db->multi_query('SELECT 1; SELECT @@version AS v; SELECT 3'), true);
    $seen = [];
    do {
        $seen[] = $db->store_result()->fetch_row()[0];
    } while ($db->more_results() && $db->next_result());
    same($seen, ['1', $db->server_info, '3']);
    same($db->query('SELECT 1')->fetch_row(), ['1']);
});

check('transactions in every way of asking', function () use ($db) {
    same($db->begin_transaction(), true);
    same($db->commit(), true);
    same($db->begin_transaction(MYSQLI_TRANS_START_READ_ONLY), true);
    same($db->rollback(), true);
    same($db->autocommit(false), true);
    same($db->query('SELECT @@autocommit')->fetch_column(), '0');
    same($db->commit(), true);
    same($db->autocommit(true), true);
    same($db->query('SELECT @@autocommit')->fetch_column(), '1');
});

check('a persistent connection is taken again', function () use ($connect) {
    $numbers = [];
    for ($i = 0; $i < 3; $i++) {
        $link = $connect('p:');
        $numbers[] = $link->thread_id; // told in the greeting, so only a new connection has another
        same($link->query('SELECT DATABASE()')->fetch_column(), DATABASE);
        $link->close();
    }
    same(array_unique($numbers), [$numbers[0]]);
});

check('another user on the same connection', function () use ($connect, $name) {
    $link = $connect();
    same($link->change_user(getenv('COMETQL_SHOP_LOGIN'), getenv('COMETQL_SHOP_PASSWORD'), DATABASE), true);
    $text = $link->real_escape_string(texts()[0]);
    same($link->query("INSERT INTO pipes_messages (name, event, message) VALUES ('{$name}_shop', 'note', '$text')"), true);
    $wrong = $connect();
    fails(1045, fn() => $wrong->change_user(getenv('COMETQL_SHOP_LOGIN'), 'guessed', DATABASE));
});

check('prepared: one statement, executed for every text', function () use ($db, $name) {
    $statement = $db->prepare('INSERT INTO pipes_messages (name, event, message) VALUES (?, ?, ?)');
    same($statement->param_count, 3);
    $channel = "{$name}_bound";
    $event = 'note';
    $statement->bind_param('sss', $channel, $event, $text);
    foreach (texts() as $text) {
        same($statement->execute(), true);
        same([$statement->affected_rows, $statement->insert_id], [0, 0]);
    }
    same($statement->close(), true);
    same($db->real_escape_string("it's"), "it\\'s");
});

check('prepared: parameters of every type come back', function () use ($db) {
    $statement = $db->prepare('SELECT ? AS whole, ? AS part, ? AS text, ? AS nothing');
    $statement->bind_param('idss', $whole, $part, $text, $nothing);
    [$whole, $part, $text, $nothing] = [-42, 1.5, texts()[0], null];
    $statement->execute();
    same($statement->get_result()->fetch_assoc(), ['whole' => '-42', 'part' => '1.5', 'text' => texts()[0], 'nothing' => null]);
    [$whole, $part, $text, $nothing] = [1 << 40, -0.25, '', 'now something'];
    $statement->execute();
    $statement->bind_result($a, $b, $c, $d);
    same($statement->fetch(), true);
    same([$a, $b, $c, $d], [(string) (1 << 40), '-0.25', '', 'now something']);
    same($statement->fetch(), null);
    same($statement->reset(), true);
    $statement->close();
});

check('prepared: a text in pieces', function () use ($db) {
    $statement = $db->prepare('SELECT ?');
    $blob = null;
    $statement->bind_param('b', $blob);
    foreach (["it's ", '', '☃ in ', 'pieces'] as $piece) {
        $statement->send_long_data(0, $piece);
    }
    $statement->execute();
    same($statement->get_result()->fetch_row(), ["it's ☃ in pieces"]);
    $statement->close();
});

check('prepared: statements without parameters, two at a time, errors', function () use ($db) {
    $version = $db->prepare('SELECT @@version');
    $tables = $db->prepare('SHOW TABLES');
    $version->execute();
    same($version->get_result()->fetch_row(), [$db->server_info]);
    $tables->execute();
    same(in_array(['pipes_messages'], $tables->get_result()->fetch_all()), true);
    $tables->attr_set(MYSQLI_STMT_ATTR_CURSOR_TYPE, MYSQLI_CURSOR_TYPE_READ_ONLY); // asks to fetch in steps
    $tables->execute();
    same(in_array(['pipes_messages'], $tables->get_result()->fetch_all()), true);
    fails(1064, fn() => $db->prepare('SELEKT ?'));
    fails(1146, fn() => $db->prepare('INSERT INTO nowhere (a) VALUES (?)')->execute(['x']));
    $version->execute();
    same($version->get_result()->fetch_row(), [$db->server_info]);
    same($db->execute_query('SELECT ?', ["it's"])->fetch_column(), "it's");
});

check('tables: every text as data of a user, bound and fetched', function () use ($db, $first) {
    $insert = $db->prepare('INSERT INTO users_data (id, data) VALUES (?, ?)');
    $select = $db->prepare('SELECT id, data FROM users_data WHERE id = ?');
    foreach (texts() as $place => $text) {
        $id = $first + $place;
        $insert->bind_param('is', $id, $text);
        $insert->execute();
        same([$insert->affected_rows, $insert->insert_id], [1, $id]);
        $select->bind_param('i', $id);
        $select->execute();
        same($select->get_result()->fetch_all(), [[(string) $id, $text]]);
        $result = mysqli_query($db, "SELECT data FROM users_data WHERE id = $id");
        same(mysqli_num_rows($result), 1);
        same(mysqli_fetch_object($result)->data, $text);
    }
});

check('tables: IN, LIMIT, COUNT(*), DELETE', function () use ($db, $first) {
    $ids = [$first + 2, $first, $first + 1];
    $rows = $db->execute_query('SELECT id FROM users_data WHERE id IN (?, ?, ?)', $ids)->fetch_all();
    same($rows, array_map(fn($id) => [(string) $id], $ids));
    same($db->query("SELECT id FROM users_data WHERE id IN ($ids[0], $ids[1], $ids[2]) LIMIT 1, 2")->num_rows, 2);
    same($db->query("SELECT COUNT(*) FROM users_data WHERE id IN ($ids[0], $ids[1], $ids[2])")->fetch_column(), '3');
    $db->execute_query('DELETE FROM users_data WHERE id = ?', [$first]);
    same($db->execute_query('SELECT * FROM users_data WHERE id = ?', [$first])->num_rows, 0);
});

check('tables: a user gets a hash, another one, and none', function () use ($db, $first) {
    foreach (['0123456789abcdef+/=_', 'other'] as $hash) {
        $db->query("INSERT INTO users_auth (id, hash) VALUES ($first, '$hash')");
        same([$db->affected_rows, $db->insert_id], [1, $first]);
        $row = $db->execute_query('SELECT * FROM users_auth WHERE id = ?', [(string) $first])->fetch_assoc();
        same($row, ['id' => (string) $first, 'hash' => $hash]);
    }
    $db->execute_query('DELETE FROM users_auth WHERE id = ?', [$first]);
    same($db->query("SELECT * FROM users_auth WHERE id = $first")->fetch_all(), []);
});

done();
