// The mariadb command line: one statement, a file of them, and typed at its prompt on a terminal.

import assert from "node:assert/strict";
import { check, done, program, subscriber } from "./harness.mjs";
import { account, collect, shop, TEXTS } from "./programs.mjs";

const where = (server, user = "15") => ["--no-defaults", "--protocol=tcp", "--host=127.0.0.1", `--port=${server.sqlPort}`,
  `--user=${user}`, "--default-character-set=utf8mb4"];

function mariadb(server, args, { secret = "", user, database = "CometQL_v1" } = {}) {
  return program("mariadb", [...where(server, user), ...args, database], { env: { MYSQL_PWD: secret } });
}

function prompt(server, secret) {
  const command = ["mariadb", ...where(server), "CometQL_v1"].join(" ");
  const typist = program("script", ["-qec", command, "/dev/null"], { env: { MYSQL_PWD: secret, TERM: "dumb" } });
  typist.types = line => typist.child.stdin.write(`${line}\n`);
  return typist;
}

export async function checkMariadb(server, { secret = "" } = {}) {
  const named = secret ? "with the password" : "without a password";
  const rows = "('m_batch', 'a', 'one'), ('m_batch', 'b', 'Grüße'), ('m_batch', '', 'it''s \\\"three\\\" 😀')";
  const expected = [["a", "one"], ["b", "Grüße"], ["", `it's "three" 😀`]];
  const collect = async (seen, count) => {
    const got = [];
    while (got.length < count) got.push(await seen.next());
    return got.map(message => [message.event ?? "", message.data]);
  };
  await check(`mariadb ${named}: one INSERT of three rows`, async () => {
    const seen = await subscriber(server, "m_batch");
    const client = mariadb(server, ["-vvv", "-e", `INSERT INTO pipes_messages (name, event, message) VALUES ${rows};`], { secret });
    assert.match(await done(client), /Query OK, 0 rows affected/); // CometQL's own answer, however many rows
    assert.deepEqual(await collect(seen, 3), expected);
    await seen.stop();
  });
  await check(`mariadb ${named}: a file of statements on its input`, async () => {
    const seen = await subscriber(server, "m_file");
    const client = mariadb(server, [], { secret });
    for (let i = 0; i < 200; i++) client.child.stdin.write(`insert into pipes_messages (name, event, message)\n  values ('m_file', 'n', '${i}'); -- line ${i}\n`);
    client.child.stdin.end();
    await done(client);
    assert.deepEqual(await collect(seen, 200), Array.from({ length: 200 }, (_, i) => ["n", String(i)]));
    await seen.stop();
  });
  await check(`mariadb ${named}: typed at its prompt`, async () => {
    const seen = await subscriber(server, "m_typed");
    const typist = prompt(server, secret);
    await typist.sees(/CometQL_v1\]?> /);
    typist.types("INSERT INTO pipes_messages (name, event, message) VALUES ('m_typed', '', 'first'), ('m_typed', '', 'second');");
    await typist.sees(/Query OK/);
    typist.types("SELEKT 1;");
    await typist.sees(/ERROR 1064 \(42000\)/);
    typist.types("INSERT INTO pipes_messages (name, event, message) VALUES ('m_typed', '', 'after the mistake');");
    await typist.sees(/Query OK/);
    typist.types("\\q");
    await done(typist);
    assert.deepEqual(await collect(seen, 3), [["", "first"], ["", "second"], ["", "after the mistake"]]);
    await seen.stop();
  });
}

export async function checkMariadbRefusal(server) {
  await check("mariadb with a wrong password: ERROR 1045 (28000), exit 1", async () => {
    const client = await mariadb(server, ["-e", "SELECT 1"], { secret: "guessed" }).ends();
    assert.match(client.err, /ERROR 1045 \(28000\)/);
    assert.equal(client.code, 1);
  });
}

const quoted = text => `'${text.replace(/[\\'\0\r\n]/g, one => ({ "\0": "\\0", "\r": "\\r", "\n": "\\n" })[one] ?? `\\${one}`)}'`;

/** Against the server of two tenants. */
export async function checkCommandLine(server) {
  const secret = account.password;
  const batch = async (sql, ...args) => (await done(mariadb(server, ["--batch", "--skip-column-names", ...args, "-e", sql], { secret }))).replace(/\n$/, "");

  await check("mariadb: an unknown database: ERROR 1049 (42000), exit 1", async () => {
    const client = await mariadb(server, ["-e", "SELECT 1"], { secret, database: "nowhere" }).ends();
    assert.match(client.err, /ERROR 1049 \(42000\)/);
    assert.equal(client.code, 1);
  });
  await check("mariadb: what everybody asks first", async () => {
    const [one, version, database, ...tables] = (await batch("SELECT 1; SELECT @@version; SELECT DATABASE(); SHOW TABLES")).split("\n");
    assert.deepEqual([one, database], ["1", "CometQL_v1"]);
    assert.match(version, /^5\.7\./);
    assert.ok(tables.includes("pipes_messages"));
  });
  await check("mariadb: errors have their numbers, and the connection goes on", async () => {
    const client = mariadb(server, ["-e", "SELECT * FROM nowhere; SELEKT 1; SELECT 'went on'", "--force"], { secret });
    await client.ends();
    assert.match(client.err, /ERROR 1146 \(42S02\) at line 1: [^]*ERROR 1064 \(42000\) at line 1: /);
    assert.match(client.out, /went on/);
  });
  await check("mariadb: every text, quoted, arrives as it was", async () => {
    const seen = await subscriber(server, "m_quoted");
    const client = mariadb(server, [], { secret });
    for (const text of TEXTS) client.child.stdin.write(`INSERT INTO pipes_messages (name, event, message) VALUES ('m_quoted', 'note', ${quoted(text)});\n`);
    client.child.stdin.end("INSERT INTO pipes_messages (name, event, message) VALUES ('m_quoted', '', 'the end');\n");
    await done(client);
    const { m_quoted: arrived } = await collect(seen, ["m_quoted"], "the end");
    assert.deepEqual(arrived.map(({ data }) => data), TEXTS);
    await seen.stop();
  });
  await check("mariadb: the other tenant's user is in its own world", async () => {
    const [here, there] = [await subscriber(server, "m_shop"), await subscriber({ url: `${server.url}/shop` }, "m_shop")];
    const insert = text => `INSERT INTO pipes_messages (name, event, message) VALUES ('m_shop', '', '${text}')`;
    await done(mariadb(server, ["-e", insert("for the shop")], { user: shop.user, secret: shop.password, database: "db_7" }));
    await done(mariadb(server, ["-e", insert("for the others")], { secret }));
    assert.equal((await there.next()).data, "for the shop");
    assert.equal((await here.next()).data, "for the others");
    await Promise.all([here.stop(), there.stop()]);
  });
  await check("mariadb: looked around at its prompt", async () => {
    const typist = prompt(server, secret);
    await typist.sees(/CometQL_v1\]?> /);
    typist.types("show tables;");
    await typist.sees(/\| pipes_messages +\|[^]*rows? in set/);
    typist.types("use db_15");
    await typist.sees(/Database changed[^]*db_15\]?> /);
    typist.types("\\s");
    await typist.sees(/Current database:\s+db_15\r?\n[^]*Server version:\s+5\.7\.[^]*utf8mb4/);
    typist.types("select @@version_comment limit 1\\G");
    await typist.sees(/1\. row[^]*@@version_comment: encke/);
    typist.types("\\q");
    await done(typist);
  });
  await check("mariadb-admin: ping and status", async () => {
    const admin = async command => done(program("mariadb-admin", [...where(server), command], { env: { MYSQL_PWD: secret } }));
    assert.match(await admin("ping"), /is alive/);
    assert.match(await admin("status"), /^Uptime: \d/);
  });
  await check("mariadb: tables: data and hashes of users", async () => {
    for (const [place, text] of TEXTS.entries()) {
      if (/[\0\r]/.test(text)) continue; // it shows these in words of its own
      await batch(`INSERT INTO users_data (id, data) VALUES (${place + 900}, ${quoted(text)})`);
      assert.equal(await batch(`SELECT data FROM users_data WHERE id = ${place + 900}`, "--raw"), text);
    }
    const in3 = "FROM users_data WHERE id IN (902, 900, 901)";
    assert.equal(await batch(`SELECT id ${in3}; SELECT id ${in3} LIMIT 1, 1; SELECT COUNT(*) ${in3}`), "902\n900\n901\n900\n3");
    assert.equal(await batch("DELETE FROM users_data WHERE id = 900; SELECT * FROM users_data WHERE id = 900"), "");
    assert.equal(await batch("INSERT INTO users_auth VALUES (900, 'abc'); SELECT * FROM users_auth WHERE id = 900"), "900\tabc");
    assert.equal(await batch("DELETE FROM users_auth WHERE id = 900; SELECT * FROM users_auth WHERE id = 900"), "");
  });
  await check("mariadb: tables: what a pipe keeps, and who is there", async () => {
    const keep = "INSERT INTO pipes_settings (name, length) VALUES ('m_kept', 2)";
    const say = text => `INSERT INTO pipes_messages (name, event, message) VALUES ('m_kept', 'note', ${quoted(text)})`;
    const read = "SELECT event, message FROM pipes_messages WHERE name = 'm_kept'";
    assert.equal(await batch(`${keep}; ${say("one")}; ${say("it's two")}; ${say("Drei ☃")}; ${read}`), "note\tit's two\nnote\tDrei ☃");
    assert.equal(await batch("SELECT length FROM pipes_settings WHERE name = 'm_kept'"), "2");
    assert.equal(await batch(`DELETE FROM pipes_settings WHERE name = 'm_kept'; ${read}`), "");
    const seen = await subscriber(server, "m_kept");
    assert.equal(await batch("SELECT * FROM pipes WHERE name IN ('m_kept', 'm_nobody')"), "m_kept\t1\nm_nobody\t0");
    assert.equal(await batch("SELECT name, user_id FROM users_in_pipes WHERE name = 'm_kept'"), "m_kept\t0");
    await seen.stop();
    assert.equal(await batch("SELECT time FROM users_time WHERE id = 900"), "-1");
    assert.equal(await batch("INSERT INTO users_messages (id, event, message) VALUES (900, 'e', 'waits'); SELECT event, message FROM users_messages WHERE id = 900"), "e\twaits");
    assert.equal(await batch("INSERT INTO revoked_tokens (token) VALUES ('a.b.c'); SELECT * FROM revoked_tokens"), "a.b.c");
    assert.equal(await batch("DELETE FROM revoked_tokens WHERE token = 'a.b.c'; SELECT * FROM revoked_tokens"), "");
  });
}
