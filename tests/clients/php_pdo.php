<?php
// PHP's PDO: placeholders filled by the client and bound by the server, transactions, persistent connections.

require 'tap.php';
[$login, $password, $name] = array_map('getenv', ['COMETQL_LOGIN', 'COMETQL_PASSWORD', 'NAME']);

function connect(string $login, string $password, array $options = [], string $database = 'CometQL_v1'): PDO
{
    $where = sprintf('mysql:host=%s;port=%s;dbname=%s;charset=utf8mb4', getenv('COMETQL_HOST'), getenv('COMETQL_PORT'), $database);
    return new PDO($where, $login, $password, $options);
}

check('a wrong password and an unknown database are told by their numbers', function () use ($login, $password) {
    fails(1045, fn() => connect($login, 'guessed'));
    fails(1049, fn() => connect($login, $password, [], 'nowhere'));
});

function everyday(PDO $db, string $mode): void
{
    check("$mode: queries, errors, and the connection goes on", function () use ($db) {
        same($db->query('SELECT 1 AS one')->fetch(PDO::FETCH_ASSOC), ['one' => '1']);
        same($db->query('SELECT @@version')->fetchColumn(), $db->getAttribute(PDO::ATTR_SERVER_VERSION));
        same(in_array('pipes_messages', $db->query('SHOW TABLES')->fetchAll(PDO::FETCH_COLUMN)), true);
        fails(1146, fn() => $db->query('SELECT * FROM nowhere'));
        same($db->errorCode(), '42S02');
        fails(1064, fn() => $db->query('SELEKT 1'));
        same($db->query('SELECT DATABASE()')->fetchColumn(), 'CometQL_v1');
        same($db->exec("INSERT INTO pipes_messages (name, event, message) VALUES ('nobody_here', '', 'hello')"), 0);
        same($db->lastInsertId(), '0');
        same(preg_match('/^Uptime: \d/', $db->getAttribute(PDO::ATTR_SERVER_INFO)), 1);
    });
    check("$mode: a transaction begins and ends", function () use ($db) {
        foreach (['commit', 'rollBack'] as $end) {
            same($db->inTransaction(), false);
            same($db->beginTransaction(), true);
            same($db->inTransaction(), true);
            $db->query('SELECT 1')->fetchAll();
            $db->exec("INSERT INTO pipes_messages (name, event, message) VALUES ('nobody_here', '', 'hello')");
            same($db->inTransaction(), true);
            same($db->$end(), true);
            same($db->inTransaction(), false);
        }
        same($db->setAttribute(PDO::ATTR_AUTOCOMMIT, 0), true);
        same($db->setAttribute(PDO::ATTR_AUTOCOMMIT, 1), true);
    });
}

/** By numbered and by named placeholders in turn. */
function publish_texts(PDO $db, string $mode, string $channel): void
{
    check("$mode: every text as a parameter", function () use ($db, $channel) {
        $numbered = $db->prepare('INSERT INTO pipes_messages (name, event, message) VALUES (?, ?, ?)');
        $named = $db->prepare('INSERT INTO pipes_messages (name, event, message) VALUES (:channel, :event, :message)');
        foreach (texts() as $place => $text) {
            if ($place % 2 == 0) {
                same($numbered->execute([$channel, 'note', $text]), true);
                same($numbered->rowCount(), 0);
            } else {
                $named->bindValue(':channel', $channel);
                $named->bindValue(':event', 'note');
                $named->bindParam(':message', $text);
                same($named->execute(), true);
            }
        }
    });
    check("$mode: parameters of every type come back", function () use ($db) {
        $statement = $db->prepare('SELECT ? AS whole, ? AS text, ? AS nothing, ? AS truth');
        $statement->bindValue(1, -42, PDO::PARAM_INT);
        $statement->bindValue(2, texts()[0]);
        $statement->bindValue(3, null, PDO::PARAM_NULL);
        $statement->bindValue(4, true, PDO::PARAM_BOOL);
        $statement->execute();
        same($statement->fetchAll(PDO::FETCH_NUM), [['-42', texts()[0], null, '1']]);
        $statement->closeCursor();
        fails(1146, fn() => $db->prepare('INSERT INTO nowhere (a) VALUES (?)')->execute(['x']));
        same($statement->execute(), true);
        same($statement->fetchColumn(1), texts()[0]);
        $statement->closeCursor();
    });
}

function tables(PDO $db, string $mode, int $first): void
{
    check("$mode: tables: every text as data of a user", function () use ($db, $first) {
        $insert = $db->prepare('INSERT INTO users_data (id, data) VALUES (:id, :data)');
        $select = $db->prepare('SELECT data FROM users_data WHERE id = ?');
        foreach (texts() as $place => $text) {
            $insert->execute(['id' => $first + $place, 'data' => $text]);
            same($insert->rowCount(), 1);
            same($db->lastInsertId(), (string) ($first + $place));
            $select->execute([$first + $place]);
            same($select->fetchAll(PDO::FETCH_COLUMN), [$text]);
        }
    });
    check("$mode: tables: IN, LIMIT, COUNT(*), DELETE", function () use ($db, $first) {
        $ids = [$first + 1, $first, $first + 2];
        $in = $db->prepare('SELECT id FROM users_data WHERE id IN (?, ?, ?)');
        $in->execute($ids);
        same($in->fetchAll(PDO::FETCH_COLUMN), array_map('strval', $ids));
        $limited = $db->prepare('SELECT id FROM users_data WHERE id IN (?, ?, ?) LIMIT ?');
        foreach ([...$ids, 2] as $place => $value) {
            $limited->bindValue($place + 1, $value, PDO::PARAM_INT);
        }
        $limited->execute();
        same(count($limited->fetchAll()), 2);
        $count = $db->prepare('SELECT COUNT(*) FROM users_data WHERE id IN (?, ?, ?)');
        $count->execute($ids);
        same($count->fetchColumn(), '3');
        $count->closeCursor();
        $db->prepare('DELETE FROM users_data WHERE id = ?')->execute([$first]);
        $in->execute($ids);
        same($in->rowCount(), 2);
        $in->closeCursor();
    });
    check("$mode: tables: a user gets a hash and loses it", function () use ($db, $first) {
        $db->prepare('INSERT INTO users_auth (id, hash) VALUES (?, ?)')->execute([$first, 'abc=+/_']);
        same($db->lastInsertId(), (string) $first);
        same($db->query("SELECT id, hash FROM users_auth WHERE id = $first")->fetchAll(PDO::FETCH_KEY_PAIR), [$first => 'abc=+/_']);
        same($db->exec("DELETE FROM users_auth WHERE id = $first") !== false, true);
        same($db->query("SELECT * FROM users_auth WHERE id = $first")->fetchAll(), []);
    });
}

$filling = connect($login, $password);
everyday($filling, 'filled');
check('every text, quoted', function () use ($filling, $name) {
    foreach (texts() as $text) {
        same($filling->exec("INSERT INTO pipes_messages (name, event, message) VALUES ('{$name}_quoted', 'note', {$filling->quote($text)})"), 0);
    }
});
publish_texts($filling, 'filled', "{$name}_filled");

check('several statements in one', function () use ($filling) {
    $both = $filling->query("SELECT 1; SELECT 'two'");
    same($both->fetchColumn(), '1');
    same($both->nextRowset(), true);
    same($both->fetchColumn(), 'two');
    same($both->nextRowset(), false);
});

check('a persistent connection is taken again', function () use ($login, $password) {
    $numbers = [];
    for ($i = 0; $i < 3; $i++) {
        $db = connect($login, $password, [PDO::ATTR_PERSISTENT => true]);
        $numbers[] = $db->query('SELECT CONNECTION_ID()')->fetchColumn();
        $db = null;
    }
    same(array_unique($numbers), [$numbers[0]]);
});

check("the other tenant's user", function () use ($name) {
    $shop = connect(getenv('COMETQL_SHOP_LOGIN'), getenv('COMETQL_SHOP_PASSWORD'));
    $insert = $shop->prepare("INSERT INTO pipes_messages (name, event, message) VALUES ('{$name}_shop', 'note', ?)");
    same($insert->execute([texts()[0]]), true);
});

$binding = connect($login, $password, [PDO::ATTR_EMULATE_PREPARES => false]);
everyday($binding, 'bound');
check('bound: it is the server that prepares', function () use ($binding) { // or PDO would fill and say nothing
    fails(1064, fn() => $binding->prepare('SELEKT ?'));
});
publish_texts($binding, 'bound', "{$name}_bound");
tables($filling, 'filled', 1000);
tables($binding, 'bound', 2000);

done();
