# Perl's DBI with DBD::mysql or DBD::MariaDB, the argument: placeholders filled by the client and bound by the server.

use strict;
use warnings;
use utf8;
use DBI;
use Encode 'decode';
use MIME::Base64;
use Test::More;

my $driver = shift;
my $is_mariadb = $driver eq 'MariaDB';
my $option = lc $driver; # begins the names of the driver's own attributes
my @texts = map { decode 'UTF-8', decode_base64 $_ } split / /, $ENV{TEXTS};
my $name = $ENV{NAME};
my $insert = 'INSERT INTO pipes_messages (name, event, message) VALUES (?, ?, ?)';

binmode STDOUT, ':encoding(UTF-8)';
$_->output(\*STDOUT), $_->failure_output(\*STDOUT) for Test::More->builder;

sub check {
    my ($title, $run) = @_;
    subtest $title => sub {
        eval { $run->(); pass "came to its end"; 1 } or do { fail "came to its end"; diag $@ };
    };
}

sub fails {
    my ($number, $run) = @_;
    eval { $run->() };
    is $DBI::err, $number, "error $number";
}

sub login {
    my ($user, $password, %options) = @_;
    my $database = delete $options{database} // 'CometQL_v1';
    my $where = "DBI:$driver:database=$database;host=$ENV{COMETQL_HOST};port=$ENV{COMETQL_PORT}";
    my %utf8 = $is_mariadb ? () : (mysql_enable_utf8mb4 => 1); # the younger one knows nothing else
    return DBI->connect($where, $user, $password, { RaiseError => 1, PrintError => 0, %utf8, %options });
}
# The older one sends a password as the bytes that it is given.
my $password = $is_mariadb ? decode('UTF-8', $ENV{COMETQL_PASSWORD}) : $ENV{COMETQL_PASSWORD};
sub mine { return login($ENV{COMETQL_LOGIN}, $password, @_) }

sub everyday {
    my ($db, $mode) = @_;
    check "$mode: queries, errors, and the connection goes on" => sub {
        is_deeply $db->selectall_arrayref('SELECT 1 AS one, NULL AS nothing', { Slice => {} }), [{ one => 1, nothing => undef }];
        like $db->selectrow_array('SELECT @@version'), qr/^5\.7\./;
        ok scalar(grep { $_ eq 'pipes_messages' } @{ $db->selectcol_arrayref('SHOW TABLES') });
        fails 1146, sub { $db->do('INSERT INTO nowhere (a) VALUES (?)', undef, 'b') };
        is $db->state, '42S02';
        fails 1064, sub { $db->do('SELEKT 1') };
        is $db->state, '42000';
        is $db->selectrow_array('SELECT DATABASE()'), 'CometQL_v1';
        ok $db->ping;
    };
    check "$mode: a transaction begins and ends" => sub {
        for my $end (qw(commit rollback)) {
            ok $db->begin_work;
            ok $db->do($insert, undef, 'nobody_here', '', 'hello');
            ok $db->$end;
        }
    };
}

sub publish {
    my ($db, $mode) = @_;
    check "$mode: every text as a parameter" => sub {
        my $statement = $db->prepare($insert);
        is $statement->execute("${name}_$mode", 'note', $_), '0E0' for @texts;
    };
    check "$mode: parameters of every type come back" => sub {
        my $echo = $db->prepare('SELECT ? AS number, ? AS text, ? AS nothing');
        for my $text (@texts) {
            $echo->bind_param(1, -42, DBI::SQL_INTEGER);
            $echo->bind_param(2, $text);
            $echo->bind_param(3, undef);
            $echo->execute;
            is_deeply $echo->fetchall_arrayref, [[-42, $text, undef]];
        }
    };
}

sub tables {
    my ($db, $mode, $first) = @_;
    check "$mode: tables: every text as data of a user" => sub {
        my $insert = $db->prepare('INSERT INTO users_data (id, data) VALUES (?, ?)');
        my $select = $db->prepare('SELECT id, data FROM users_data WHERE id = ?');
        for my $place (0 .. $#texts) {
            my $id = $first + $place;
            is $insert->execute($id, $texts[$place]), 1;
            is $insert->{"${option}_insertid"}, $id;
            $select->execute($id);
            is_deeply $select->fetchall_arrayref, [[$id, $texts[$place]]];
        }
    };
    check "$mode: tables: IN, LIMIT, COUNT(*), DELETE" => sub {
        my @ids = ($first + 2, $first, $first + 1);
        my $in = 'FROM users_data WHERE id IN (?, ?, ?)';
        is_deeply $db->selectcol_arrayref("SELECT id $in", undef, @ids), \@ids;
        is_deeply $db->selectcol_arrayref("SELECT id $in LIMIT 2", undef, @ids), [@ids[0, 1]];
        is $db->selectrow_array("SELECT COUNT(*) $in", undef, @ids), 3;
        $db->do('DELETE FROM users_data WHERE id = ?', undef, $first);
        is_deeply $db->selectall_arrayref('SELECT id FROM users_data WHERE id = ?', undef, $first), [];
    };
    check "$mode: tables: a user gets a hash and loses it" => sub {
        my $hash = '0123456789abcdef+/=_';
        is $db->do('INSERT INTO users_auth (id, hash) VALUES (?, ?)', undef, $first, $hash), 1;
        my $rows = $db->selectall_hashref('SELECT * FROM users_auth WHERE id = ?', 'id', undef, $first);
        is_deeply $rows, { $first => { id => $first, hash => $hash } };
        $db->do('DELETE FROM users_auth WHERE id = ?', undef, $first);
        is_deeply $db->selectall_arrayref('SELECT id FROM users_auth WHERE id = ?', undef, $first), [];
    };
}

check 'a wrong password and an unknown database are told by their numbers' => sub {
    fails 1045, sub { login($ENV{COMETQL_LOGIN}, 'guessed') };
    fails 1049, sub { mine(database => 'nowhere') };
};

my $filling = mine();
everyday($filling, 'filled');
check 'every text, quoted' => sub {
    for my $text (map { $filling->quote($_) } @texts) {
        is $filling->do("INSERT INTO pipes_messages (name, event, message) VALUES ('${name}_quoted', 'note', $text)"), '0E0';
    }
};
publish($filling, 'filled');

check "the other tenant's user" => sub {
    my $shop = login(@ENV{qw(COMETQL_SHOP_LOGIN COMETQL_SHOP_PASSWORD)});
    ok $shop->do($insert, undef, "${name}_shop", 'note', $texts[0]);
    ok $shop->disconnect;
};

check 'a connection without autocommit' => sub {
    my $manual = mine(AutoCommit => 0);
    ok !$manual->{AutoCommit};
    ok $manual->do($insert, undef, 'nobody_here', '', 'hello');
    ok $manual->commit;
    ok $manual->disconnect;
};

my $binding = mine("${option}_server_prepare" => 1, "${option}_server_prepare_disable_fallback" => 1);
check 'bound: it is the server that prepares' => sub { # and finds the mistake before the statement is executed
    fails 1064, sub { $binding->prepare('SELEKT ?') };
};
everyday($binding, 'bound');
publish($binding, 'bound');
tables($filling, 'filled', 1000);
tables($binding, 'bound', 2000);

$_->disconnect for $filling, $binding;
done_testing;
