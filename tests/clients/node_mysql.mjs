// Node's mysql: values escaped by the client, a pool, another user on the same connection.

import assert from "node:assert/strict";
import { promisify } from "node:util";
import mysql from "mysql";
import { account, check, done, fails, INSERT, name, server, shop, texts } from "./tap.mjs";

/** A connection, or a pool, whose functions promise what they would call back with. */
function promising(it) {
  const self = { it };
  for (const each of ["connect", "query", "ping", "statistics", "changeUser", "beginTransaction", "commit", "rollback", "end", "getConnection"]) {
    if (it[each]) self[each] = promisify(it[each]).bind(it);
  }
  return self;
}
const connect = async (options = account) => {
  const connection = promising(mysql.createConnection({ ...server, ...options }));
  await connection.connect();
  return connection;
};

await check("a wrong password and an unknown database are told by their numbers", async () => {
  await fails(1045, connect({ ...account, password: "guessed" }));
  await fails(1049, connect({ ...account, database: "nowhere" }));
});

const firstId = 1000; // of the users that it makes
const db = await connect();

await check("queries, errors, and the connection goes on", async () => {
  assert.equal((await db.query("SELECT 1 AS one"))[0].one, "1");
  assert.match((await db.query("SELECT @@version AS version"))[0].version, /^5\.7\./);
  const tables = await db.query("SHOW TABLES");
  assert.ok(tables.some(row => Object.values(row)[0] === "pipes_messages"));
  await assert.rejects(db.query("SELECT * FROM nowhere"), { errno: 1146, code: "ER_NO_SUCH_TABLE" });
  await assert.rejects(db.query("SELEKT 1"), { errno: 1064, code: "ER_PARSE_ERROR", sqlState: "42000" });
  assert.equal((await db.query("SELECT DATABASE() AS name"))[0].name, "CometQL_v1");
  await db.ping();
});

await check("the server's own numbers", async () => {
  assert.match((await db.statistics()).message, /^Uptime: \d/);
});

await check("every text, quoted", async () => {
  for (const text of texts) {
    const sql = `INSERT INTO pipes_messages (name, event, message) VALUES ('${name}_quoted', 'note', ${mysql.escape(text)})`;
    const { affectedRows, insertId } = await db.query(sql);
    assert.deepEqual([affectedRows, insertId], [0, 0]);
  }
});

await check("every text, filled in", async () => {
  for (const text of texts) await db.query(INSERT, [`${name}_filled`, "note", text]);
  const rows = await db.query("SELECT ? AS ??, ? AS nothing", [texts[0], "a name", null]);
  assert.deepEqual({ ...rows[0] }, { "a name": texts[0], nothing: null });
});

await check("many queries are sent before the first answer and answered in order", async () => {
  const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => db.query("SELECT ? AS i", [i])));
  assert.deepEqual(answers.map(rows => Number(rows[0].i)), Array.from({ length: 50 }, (_, i) => i));
});

await check("a transaction begins and ends", async () => {
  await db.beginTransaction();
  await db.query(INSERT, ["nobody_here", "", "hello"]);
  await db.commit();
  await db.beginTransaction();
  await db.rollback();
});

await check("a pool takes its connections again", async () => {
  const pool = promising(mysql.createPool({ ...server, ...account, connectionLimit: 2 }));
  const ids = await Promise.all(Array.from({ length: 20 }, async () => (await pool.query("SELECT CONNECTION_ID() AS id"))[0].id));
  assert.equal(new Set(ids).size, 2);
  const one = await pool.getConnection();
  one.release();
  await pool.end();
});

await check("another user on the same connection", async () => {
  const connection = await connect();
  await connection.changeUser(shop);
  await connection.query(INSERT, [`${name}_shop`, "note", texts[0]]);
  await connection.end();
  const wrong = await connect();
  await fails(1045, wrong.changeUser({ ...shop, password: "guessed" }));
  wrong.it.destroy();
});

await check("tables: every text as data of a user", async () => {
  for (const [place, data] of texts.entries()) {
    const id = firstId + place;
    const { affectedRows, insertId } = await db.query("INSERT INTO users_data (id, data) VALUES (?, ?)", [id, data]);
    assert.deepEqual([affectedRows, insertId], [1, id]);
    const rows = await db.query("SELECT id, data FROM users_data WHERE id = ?", [id]);
    assert.deepEqual(rows.map(row => ({ ...row })), [{ id: String(id), data }]);
  }
});

await check("tables: IN, LIMIT, COUNT(*), DELETE", async () => {
  const ids = [firstId + 2, firstId, firstId + 1];
  const found = async (sql, ...values) => (await db.query(sql, values)).map(row => Object.values(row)[0]);
  assert.deepEqual(await found("SELECT id FROM users_data WHERE id IN (?)", ids), ids.map(String));
  assert.deepEqual(await found("SELECT id FROM users_data WHERE id IN (?) LIMIT ?, ?", ids, 1, 5), ids.slice(1).map(String));
  assert.deepEqual(await found("SELECT COUNT(*) FROM users_data WHERE id IN (?)", ids), ["3"]);
  await db.query("DELETE FROM users_data WHERE id = ?", [firstId]);
  assert.deepEqual(await found("SELECT id FROM users_data WHERE id = ?", firstId), []);
});

await check("tables: a user gets a hash and loses it", async () => {
  const hash = "0123456789abcdef+/=_";
  assert.equal((await db.query("INSERT INTO users_auth (id, hash) VALUES (?, ?)", [firstId, hash])).insertId, firstId);
  assert.equal((await db.query("SELECT * FROM users_auth WHERE id = ?", [firstId]))[0].hash, hash);
  await db.query("DELETE FROM users_auth WHERE id = ?", [firstId]);
  assert.deepEqual(await db.query("SELECT * FROM users_auth WHERE id = ?", [firstId]), []);
});

await db.end();
done();
