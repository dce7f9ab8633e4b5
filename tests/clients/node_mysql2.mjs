// Node's mysql2: values escaped by the client, a pool, another user on the same connection.

import assert from "node:assert/strict";
import mysql from "mysql2/promise";
import { account, check, done, fails, INSERT, name, server, shop, texts } from "./tap.mjs";

const connect = (options = account) => mysql.createConnection({ ...server, ...options });

await check("a wrong password and an unknown database are told by their numbers", async () => {
  await fails(1045, connect({ ...account, password: "guessed" }));
  await fails(1049, connect({ ...account, database: "nowhere" }));
});

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

await db.end();
done();
