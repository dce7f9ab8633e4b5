"""MySQL's own Connector/Python, as `pure` Python or with its `c` extension: text, prepared cursors, resets, pools."""

import sys

if sys.argv[1] == "c":
    import _mysql_connector  # before anything loads an older OpenSSL than the one that it brings along

import mysql.connector
import mysql.connector.pooling
from tap import ACCOUNT, INSERT, NAME, SERVER, SHOP, TEXTS, check, done, fails, same

PURE = sys.argv[1] == "pure"


def connect(**options):
    return mysql.connector.connect(**{**SERVER, **ACCOUNT, "use_pure": PURE, **options})


def rows(connection, sql, values=(), **kind):
    """The rows that a statement brings, or the numbers of affected rows and of the last row inserted."""
    with connection.cursor(**kind) as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall() if cursor.description else (cursor.rowcount, cursor.lastrowid or 0)


@check("a wrong password and an unknown database are told by their numbers")
def _():
    fails(1045, connect, password="guessed")
    fails(1049, connect, database="nowhere")


db = connect(autocommit=True)


@check("it is the one that was asked for")
def _():
    same(type(db).__name__, "MySQLConnection" if PURE else "CMySQLConnection")


@check("both ways of logging in")
def _():
    connect(auth_plugin="mysql_native_password").close()
    connect(auth_plugin="caching_sha2_password").close()
    fails(1045, connect, auth_plugin="caching_sha2_password", password="guessed")


@check("queries, errors, and the connection goes on")
def _():
    same(rows(db, "SELECT 1"), [("1",)])
    same(rows(db, "SELECT @@version")[0][0].startswith("5.7."), True)
    assert ("pipes_messages",) in rows(db, "SHOW TABLES")
    fails(1146, rows, db, "SELECT * FROM nowhere")
    fails(1064, rows, db, "SELEKT 1")
    same(rows(db, "SELECT 1 AS one, NULL AS nothing", dictionary=True), [{"one": "1", "nothing": None}])
    same(db.database, "CometQL_v1")
    db.database = "db_15"
    same(db.database, "db_15")
    db.ping(reconnect=False)
    same(db.is_connected(), True)
    db.set_charset_collation("utf8mb4")


@check("every text, filled in: one by one, and many at once, which becomes one INSERT")
def _():
    for text in TEXTS[:2]:
        same(rows(db, INSERT, (f"{NAME}_filled", "note", text)), (0, 0))
    with db.cursor() as cursor:
        cursor.executemany(INSERT, [(f"{NAME}_filled", "note", text) for text in TEXTS[2:]])


@check("another user on the same connection")
def _():
    shop = connect(autocommit=True)
    shop.cmd_change_user(SHOP["user"], SHOP["password"], "CometQL_v1")
    rows(shop, INSERT, (f"{NAME}_shop", "note", TEXTS[0]))
    shop.close()
    fails(1045, connect().cmd_change_user, SHOP["user"], "guessed", "CometQL_v1")


@check("a session is reset, and a pool does it by itself")
def _():
    one = connect()
    before = one.connection_id
    one.reset_session()
    same(one.connection_id, before)
    same(rows(one, "SELECT 1"), [("1",)])
    one.close()
    options = {**SERVER, **ACCOUNT, "use_pure": PURE}
    pool = mysql.connector.pooling.MySQLConnectionPool(pool_size=1, pool_reset_session=True, **options)
    numbers = set()
    for _ in range(3):
        with pool.get_connection() as pooled:
            numbers.add(pooled.connection_id)
            same(rows(pooled, "SELECT 1"), [("1",)])
    same(len(numbers), 1)


@check("transactions and autocommit are as they were asked for")
def _():
    one = connect()
    same(rows(one, "SELECT @@session.autocommit"), [("0",)])
    one.autocommit = True
    same(rows(one, "SELECT @@session.autocommit"), [("1",)])
    for end in (one.commit, one.rollback):
        same(one.in_transaction, False)
        one.start_transaction()
        same(one.in_transaction, True)
        rows(one, INSERT, ("nobody_here", "", "hello"))
        same(one.in_transaction, True)
        end()
        same(one.in_transaction, False)
    one.close()


@check("prepared: every text, bound")
def _():
    with db.cursor(prepared=True) as cursor:
        for text in TEXTS:
            cursor.execute(INSERT, (f"{NAME}_bound", "note", text))
            same((cursor.rowcount, cursor.lastrowid or 0), (0, 0))


@check("prepared: parameters of every type come back")
def _():
    values = (-42, 1.5, TEXTS[0], None, 1 << 40, "")
    with db.cursor(prepared=True) as cursor:
        for _ in range(2):
            cursor.execute("SELECT ?, ?, ?, ?, ?, ?", values)
            same(cursor.fetchall(), [("-42", "1.5", TEXTS[0], None, str(1 << 40), "")])


@check("prepared: errors, statements in turn, and the connection goes on")
def _():
    fails(1064, rows, db, "SELEKT ?", (1,), prepared=True)
    fails(1146, rows, db, "INSERT INTO nowhere (a) VALUES (?)", ("x",), prepared=True)
    with db.cursor(prepared=True) as cursor:
        for i in range(10):
            cursor.execute(f"SELECT ? AS v{i}", (str(i),))
            same(cursor.fetchall(), [(str(i),)])
    same(rows(db, "SELECT 1"), [("1",)])


def tables(first, kind):
    for user, text in enumerate(TEXTS, first):
        same(rows(db, "INSERT INTO users_data (id, data) VALUES (%s, %s)", (user, text), **kind), (1, user))
        if kind and not PURE:
            text = text.split("\0")[0]  # it ends a text there when it fetches it so, whatever the server
        same(rows(db, "SELECT id, data FROM users_data WHERE id = %s", (user,), **kind), [(str(user), text)])
    ids = (first + 2, first, first + 1)
    found = [(str(user),) for user in ids]
    same(rows(db, "SELECT id FROM users_data WHERE id IN (%s, %s, %s)", ids, **kind), found)
    same(rows(db, "SELECT id FROM users_data WHERE id IN (%s, %s, %s) LIMIT %s", (*ids, 2), **kind), found[:2])
    same(rows(db, "SELECT COUNT(*) FROM users_data WHERE id IN (%s, %s, %s)", ids, **kind), [("3",)])
    rows(db, "DELETE FROM users_data WHERE id = %s", (first,), **kind)
    same(rows(db, "SELECT id FROM users_data WHERE id = %s", (first,), **kind), [])
    hash = "0123456789abcdef+/=_"
    rows(db, "INSERT INTO users_auth (id, hash) VALUES (%s, %s)", (first, hash), **kind)
    same(rows(db, "SELECT * FROM users_auth WHERE id = %s", (first,), **kind), [(str(first), hash)])
    rows(db, "DELETE FROM users_auth WHERE id = %s", (first,), **kind)
    same(rows(db, "SELECT * FROM users_auth WHERE id = %s", (first,), **kind), [])


@check("tables: data and hashes of users, filled in")
def _():
    tables(1000, {})


@check("tables: data and hashes of users, bound and fetched")
def _():
    tables(2000, {"prepared": True})


db.close()
done()
