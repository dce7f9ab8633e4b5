"""PyMySQL: values escaped by the client, autocommit in every setting, many rows at once."""

import pymysql
import pymysql.cursors
from tap import ACCOUNT, INSERT, NAME, SERVER, SHOP, TEXTS, check, done, fails, same

FIRST_ID = 1000  # of the users that it makes


def connect(**options):
    options = {**SERVER, **ACCOUNT, **options}
    options["password"] = options["password"].encode()  # a str would be sent as Latin-1
    return pymysql.connect(**options)


def rows(connection, sql, *values):
    with connection.cursor() as cursor:
        cursor.execute(sql, values or None)
        return cursor.fetchall()


@check("a wrong password and an unknown database are told by their numbers")
def _():
    fails(1045, connect, password="guessed")
    fails(1049, connect, database="nowhere")


db = connect()


@check("queries, errors, and the connection goes on")
def _():
    same(rows(db, "SELECT 1"), (("1",),))
    same(rows(db, "SELECT @@version"), ((db.get_server_info(),),))
    assert ("pipes_messages",) in rows(db, "SHOW TABLES")
    fails(1146, rows, db, "SELECT * FROM nowhere")
    fails(1064, rows, db, "SELEKT 1")
    same(rows(db, "SELECT DATABASE()"), (("CometQL_v1",),))
    db.select_db("db_15")
    same(rows(db, "SELECT DATABASE()"), (("db_15",),))
    db.ping(reconnect=False)
    db.set_character_set("utf8mb4")


@check("other cursors: rows by name, rows one by one")
def _():
    with db.cursor(pymysql.cursors.DictCursor) as cursor:
        cursor.execute("SELECT 1 AS one, NULL AS nothing")
        same(cursor.fetchone(), {"one": "1", "nothing": None})
    with db.cursor(pymysql.cursors.SSCursor) as cursor:
        cursor.execute("SHOW DATABASES")
        same(cursor.fetchone(), ("CometQL_v1",))
        same(cursor.fetchone(), None)


@check("every text, quoted")
def _():
    with db.cursor() as cursor:
        for text in TEXTS:
            sql = f"INSERT INTO pipes_messages (name, event, message) VALUES ('{NAME}_quoted', 'note', {db.escape(text)})"
            same(cursor.execute(sql), 0)
            same(cursor.lastrowid, 0)


@check("every text, filled in: one by one, and many at once, which becomes one INSERT")
def _():
    with db.cursor() as cursor:
        for text in TEXTS[:2]:
            cursor.execute(INSERT, (f"{NAME}_filled", "note", text))
        cursor.executemany(INSERT, [(f"{NAME}_filled", "note", text) for text in TEXTS[2:]])
    db.commit()


@check("the other tenant's user")
def _():
    with connect(**SHOP) as shop, shop.cursor() as cursor:
        cursor.execute(INSERT, (f"{NAME}_shop", "note", TEXTS[0]))
        shop.commit()


@check("transactions: begin, commit, rollback")
def _():
    db.begin()
    rows(db, INSERT, "nobody_here", "", "hello")
    db.commit()
    db.begin()
    db.rollback()


@check("autocommit is as it was asked for")
def _():
    for asked in (True, False):
        with connect(autocommit=asked) as one:
            same(one.get_autocommit(), asked)
            one.autocommit(not asked)
            same(one.get_autocommit(), not asked)
            rows(one, INSERT, "nobody_here", "", "hello")
            same(one.get_autocommit(), not asked)
            one.commit()
    with connect(autocommit=None) as one:
        same(one.get_autocommit(), True)


@check("tables: every text as data of a user")
def _():
    with db.cursor() as cursor:
        for user, text in enumerate(TEXTS, FIRST_ID):
            same(cursor.execute("INSERT INTO users_data (id, data) VALUES (%s, %s)", (user, text)), 1)
            same(cursor.lastrowid, user)
            same(rows(db, "SELECT id, data FROM users_data WHERE id = %s", user), ((str(user), text),))


@check("tables: IN, LIMIT, COUNT(*), DELETE")
def _():
    ids = (FIRST_ID + 2, FIRST_ID, FIRST_ID + 1)
    found = tuple((str(user),) for user in ids)
    same(rows(db, "SELECT id FROM users_data WHERE id IN %s", ids), found)
    same(rows(db, "SELECT id FROM users_data WHERE id IN %s LIMIT %s, %s", ids, 1, 2), found[1:])
    same(rows(db, "SELECT COUNT(*) FROM users_data WHERE id IN %s", ids), (("3",),))
    rows(db, "DELETE FROM users_data WHERE id = %s", FIRST_ID)
    same(rows(db, "SELECT id FROM users_data WHERE id = %s", FIRST_ID), ())


@check("tables: a user gets a hash and loses it")
def _():
    hash = "0123456789abcdef+/=_"
    rows(db, "INSERT INTO users_auth (id, hash) VALUES (%s, %s)", FIRST_ID, hash)
    same(rows(db, "SELECT * FROM users_auth WHERE id = %s", FIRST_ID), ((str(FIRST_ID), hash),))
    rows(db, "DELETE FROM users_auth WHERE id = %s", FIRST_ID)
    same(rows(db, "SELECT * FROM users_auth WHERE id = %s", FIRST_ID), ())


db.close()
done()
