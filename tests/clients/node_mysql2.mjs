// Node's mysql2: values escaped by the client or bound by the server, a pool, another user on the same connection.

import assert from "node:assert/strict";
import mysql from "mysql2/promise";
import { account, check, done, fails, INSERT, name, server, shop, texts } from "./tap.mjs";

const connect = (options = account) => mysql.createConnection({ ...server, ...options });

await check("a wrong password and an unknown database are told by their numbers", async () => {
  await fails(1045, connect({ ...account, password: "guessed" }));
  await fails(1049, connect({ ...account, database: "nowhere" }));
});

const firstId = 1000; // of the users that it makes
const db = await connect();

await check("queries, errors, and the connection goes on", async () => {
  const [[row], fields] = await db.query("SELECT 1 AS one, NULL AS nothing");
  assert.deepEqual(row, { one: "1", nothing: null });
  assert.deepEqual(fields.map(field => field.name), ["one", "nothing"]);
  const [tables] = await db.query({ sql: "SHOW TABLES", rowsAsArray: true });
  assert.ok(tables.flat().includes("pipes_messages"));
  assert.match((await db.query("SELECT @@version AS version"))[0][0].version, /^5\.7\./);
  await assert.rejects(db.query("SELECT * FROM nowhere"), { errno: 1146, code: "ER_NO_SUCH_TABLE" });
  await assert.rejects(db.query("SELEKT 1"), { errno: 1064, code: "ER_PARSE_ERROR", sqlState: "42000" });
  assert.equal((await db.query("SELECT DATABASE() AS name"))[0][0].name, "CometQL_v1");
  await db.ping();
});

await check("every text, quoted", async () => {
  for (const text of texts) {
    const [done] = await db.query(`INSERT INTO pipes_messages (name, event, message) VALUES ('${name}_quoted', 'note', ${db.escape(text)})`);
    assert.deepEqual([done.affectedRows, done.insertId], [0, 0]);
  }
});

await check("every text, filled in", async () => {
  for (const text of texts) await db.query(INSERT, [`${name}_filled`, "note", text]);
});

await check("a transaction begins and ends", async () => {
  await db.beginTransaction();
  await db.query(INSERT, ["nobody_here", "", "hello"]);
  await db.commit();
  await db.beginTransaction();
  await db.rollback();
});

await check("a pool takes its connections again", async () => {
  const pool = mysql.createPool({ ...server, ...account, connectionLimit: 2 });
  const ids = await Promise.all(Array.from({ length: 20 }, async () => (await pool.query("SELECT CONNECTION_ID() AS id"))[0][0].id));
  assert.equal(new Set(ids).size, 2);
  await pool.end();
});

await check("another user on the same connection", async () => {
  const connection = await connect();
  await connection.changeUser({ ...shop, database: server.database });
  await connection.query(INSERT, [`${name}_shop`, "note", texts[0]]);
  await connection.end();
  const wrong = await connect();
  wrong.on("error", () => {}); // it is told twice
  await fails(1045, wrong.changeUser({ ...shop, password: "guessed" }));
  wrong.destroy();
});

await check("prepared: every text, bound", async () => {
  for (const text of texts) { // the client prepares once and remembers
    const [done] = await db.execute(INSERT, [`${name}_bound`, "note", text]);
    assert.deepEqual([done.affectedRows, done.insertId], [0, 0]);
  }
});

await check("prepared: parameters of every type come back", async () => {
  const values = [-42, 1.5, texts[0], null, true, Buffer.from("bytes"), new Date(Date.UTC(2026, 0, 2, 3, 4, 5)), 2 ** 40];
  const sql = `SELECT ${values.map((_, i) => `? AS v${i}`).join(", ")}`;
  const utc = await connect({ ...account, timezone: "Z" });
  const [[row]] = await utc.execute(sql, values);
  const { v6: time, v4: truth, ...rest } = row;
  assert.deepEqual(rest, { v0: "-42", v1: "1.5", v2: texts[0], v3: null, v5: "bytes", v7: String(2 ** 40) });
  assert.match(time, /^2026-01-02 03:04:05(\.0+)?$/);
  assert.match(truth, /^(1|true)$/);
  await utc.end();
});

await check("prepared: in a pool, many statements, closed again, errors", async () => {
  const pool = mysql.createPool({ ...server, ...account, connectionLimit: 2, maxPreparedStatements: 5 });
  const answers = await Promise.all(Array.from({ length: 40 }, async (_, i) => (await pool.execute(`SELECT ? AS v${i}`, [i]))[0][0][`v${i}`]));
  assert.deepEqual(answers.map(Number), Array.from({ length: 40 }, (_, i) => i));
  await fails(1064, pool.execute("SELEKT ?", [1]));
  await fails(1146, pool.execute("INSERT INTO nowhere (a) VALUES (?)", [1]));
  assert.equal((await pool.execute("SELECT @@version AS v"))[0].length, 1);
  await pool.end();
  const statement = await db.prepare("SELECT ? AS v");
  assert.equal((await statement.execute(["again"]))[0][0].v, "again");
  await statement.close();
  db.unprepare("SELECT ? AS v");
});

await check("tables: every text as data of a user, bound and fetched", async () => {
  for (const [place, data] of texts.entries()) {
    const id = firstId + place;
    const [done] = await db.execute("INSERT INTO users_data (id, data) VALUES (?, ?)", [id, data]);
    assert.deepEqual([done.affectedRows, done.insertId], [1, id]);
    assert.deepEqual((await db.execute("SELECT id, data FROM users_data WHERE id = ?", [id]))[0], [{ id: String(id), data }]);
    assert.deepEqual((await db.query("SELECT data FROM users_data WHERE id = ?", [id]))[0], [{ data }]);
  }
});

await check("tables: IN, LIMIT, COUNT(*), DELETE", async () => {
  const ids = [firstId + 2, firstId, firstId + 1];
  const found = async (sql, values) => (await db.execute({ sql, rowsAsArray: true }, values))[0].flat();
  assert.deepEqual(await found("SELECT id FROM users_data WHERE id IN (?, ?, ?)", ids), ids.map(String));
  assert.deepEqual(await found("SELECT id FROM users_data WHERE id IN (?, ?, ?) LIMIT ?", [...ids, "2"]), ids.slice(0, 2).map(String));
  assert.deepEqual(await found("SELECT COUNT(*) FROM users_data WHERE id IN (?, ?, ?)", ids), ["3"]);
  await db.execute("DELETE FROM users_data WHERE id = ?", [firstId]);
  assert.deepEqual(await found("SELECT id FROM users_data WHERE id = ?", [firstId]), []);
});

await check("tables: a user gets a hash and loses it", async () => {
  const hash = "0123456789abcdef+/=_";
  assert.equal((await db.execute("INSERT INTO users_auth (id, hash) VALUES (?, ?)", [firstId, hash]))[0].insertId, firstId);
  assert.deepEqual((await db.execute("SELECT * FROM users_auth WHERE id = ?", [firstId]))[0], [{ id: String(firstId), hash }]);
  await db.execute("DELETE FROM users_auth WHERE id = ?", [firstId]);
  assert.deepEqual((await db.query("SELECT * FROM users_auth WHERE id = ?", [firstId]))[0], []);
});

await db.end();
done();
