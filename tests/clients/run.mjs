// Clients that we did not write against the real server: curl, PHP's mysqli, the mariadb command line.
// Each check ends in what a subscriber received. One line per check; the last line counts them.
// Run: node tests/clients/run.mjs   ($ENCKE names another binary, $LONG=1 repeats the exchange many times)

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { publish, startPhp, startServer } from "./encke.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
const patience = 15_000; // ms, for anything that is awaited
const password = "s3cret '\"\\ ü";
process.setMaxListeners(0);
let passed = 0, failed = 0;

async function check(name, run) {
  try {
    await run();
    passed++;
    console.log(`ok      ${name}`);
  } catch (error) {
    failed++;
    console.log(`FAILED  ${name}\n        ${String(error.stack ?? error).replaceAll("\n", "\n        ")}`);
  }
}

/** What comes before a group's first check can fail as well. */
async function group(run, ...args) {
  try { await run(...args); } catch (error) { await check(run.name, () => { throw error; }); }
}

function within(promise, what) {
  let timer;
  const late = new Promise((_, fail) => { timer = setTimeout(() => fail(new Error(`waited in vain for ${what()}`)), patience); });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** A program whose output can be awaited piece by piece. */
function program(command, args, { env = {} } = {}) {
  const child = spawn(command, args, { env: { ...process.env, ...env } });
  process.on("exit", () => child.kill());
  const self = { child, out: "", err: "", read: 0 };
  let wake = () => {};
  child.stdout.setEncoding("utf8").on("data", text => { self.out += text; wake(); });
  child.stderr.setEncoding("utf8").on("data", text => { self.err += text; wake(); });
  child.stdin.on("error", () => {});
  const closed = once(child, "close").then(([code]) => { self.code = code; self.over = true; wake(); }, error => { self.err += error; self.over = true; wake(); });
  /** The next match of `pattern` behind what was matched before. */
  self.sees = pattern => self.shows(() => {
    const match = self.out.slice(self.read).match(pattern);
    if (match) self.read += match.index + match[0].length;
    return match;
  }, pattern);
  self.warns = pattern => self.shows(() => self.err.match(pattern), pattern);
  self.shows = (found, what) => within((async () => {
    for (;;) {
      const match = found();
      if (match) return match;
      if (self.over) throw new Error(`${command} ended without ${what}: ${self.out}${self.err}`);
      await new Promise(again => { wake = again; });
    }
  })(), () => `${what} from ${command}: ${self.out}${self.err}`);
  self.ends = () => within(closed, () => `the end of ${command}`).then(() => self);
  self.stop = () => { child.kill(); return closed; };
  return self;
}
const curl = (...args) => program("curl", ["-sS", "-N", "--max-time", "120", ...args]);
const done = async running => {
  await running.ends();
  assert.equal(running.code, 0, running.err);
  return running.out;
};

/** A subscriber by curl: the objects of the endless stream, one after the other. */
async function subscriber(server, channel) {
  const stream = curl("-v", `${server.url}/channels/${channel}?transport=stream`);
  await stream.warns(/^< HTTP\/1\.1 200/m); // curl -i would keep the head back until the first line
  return {
    next: async () => JSON.parse((await stream.sees(/^(\{.*\})\r?$/m))[1]),
    stop: stream.stop,
  };
}

async function checkCurl(server) {
  const at = (channel, query = "") => `${server.url}/channels/${channel}${query}`;

  await check("curl publishes and reads the history with its cursor", async () => {
    const { id, subscribers } = JSON.parse(await done(curl("-d", "hello", at("c.history", "?event=greeting"))));
    assert.match(id, /^\d+-\d+$/);
    assert.equal(subscribers, 0);
    const [head, body] = (await done(curl("-i", at("c.history")))).split("\r\n\r\n");
    assert.deepEqual(JSON.parse(body), [{ id, channel: "c.history", event: "greeting", data: "hello" }]);
    assert.match(head, new RegExp(`^etag: (W/)?"${id}"`, "im"));
    await publish(server, "c.history", "second");
    assert.equal(JSON.parse(await done(curl(at("c.history", "?last=1")))).length, 1);
    assert.deepEqual(JSON.parse(await done(curl(at("c.history", `?since=${id}`)))).map(message => message.data), ["second"]);
  });
  await check("curl reads SSE: id, event and data lines, then resumes by Last-Event-ID", async () => {
    const sse = curl("-i", "-H", "Accept: text/event-stream", at("c.sse"));
    await sse.sees(/content-type: text\/event-stream/i);
    await sse.sees(/^id: ?\d+-\d+\r?$/m);
    const { id, subscribers } = await publish(server, "c.sse", "two\nlines", { event: "note" });
    assert.equal(subscribers, 1);
    await sse.sees(/^data: ?two\r?\ndata: ?lines\r?$/m);
    assert.match(sse.out, new RegExp(`^id: ?${id}\\r?$`, "m"));
    assert.match(sse.out, /^event: ?note\r?$/m);
    await sse.stop();
    await publish(server, "c.sse", "missed meanwhile");
    const again = curl("-H", "Accept: text/event-stream", "-H", `Last-Event-ID: ${id}`, at("c.sse"));
    await again.sees(/^data: ?missed meanwhile\r?$/m);
    assert.ok(!again.out.includes("two"));
    await again.stop();
  });
  await check("curl reads the endless stream of several channels", async () => {
    const stream = await subscriber(server, "c.one,c.two");
    const { subscribers } = JSON.parse(await done(curl("--data-binary", "Grüße 😀", at("c.one,c.two"))));
    assert.equal(subscribers, 2);
    const [one, two] = [await stream.next(), await stream.next()];
    assert.deepEqual([one.channel, two.channel], ["c.one", "c.two"]);
    assert.deepEqual([one.data, two.data], ["Grüße 😀", "Grüße 😀"]);
    await stream.stop();
  });
  await check("curl parks a long-poll until a message comes, and gets 304 when none does", async () => {
    const before = JSON.parse(await done(curl("-d", "old", at("c.poll")))).id;
    const poll = curl("-i", at("c.poll", `?transport=poll&wait=20&since=${before}`));
    const { id } = await publish(server, "c.poll", "new");
    const [head, body] = (await done(poll)).split("\r\n\r\n");
    assert.match(head, /^HTTP\/1\.1 200/);
    assert.match(head, new RegExp(`^etag: (W/)?"${id}"`, "im"));
    assert.deepEqual(JSON.parse(body).map(message => message.data), ["new"]);
    const quiet = await done(curl("-i", at("c.poll", `?transport=poll&wait=1&since=${id}`)));
    assert.match(quiet, /^HTTP\/1\.1 304/);
    assert.match(quiet, new RegExp(`^etag: (W/)?"${id}"`, "im"));
  });
  await check("curl is told what is wrong, in JSON", async () => {
    for (const [status, ...args] of [
      [400, at("c.errors", "?since=yesterday")],
      [400, "-d", "x", at("c.errors", "?event=encke:lost")],
      [400, at("not%20a%20name")],
      [404, `${server.url}/nowhere`],
    ]) {
      const [head, body] = (await done(curl("-i", ...args))).split("\r\n\r\n");
      assert.match(head, new RegExp(`^HTTP/1\\.1 ${status}`), args.join(" "));
      assert.equal(typeof JSON.parse(body).error, "string");
    }
  });
}

async function checkPhp(server, { login = "15", secret = "" } = {}) {
  const named = secret ? "with the password" : "without a password";
  const env = { COMETQL_PORT: String(server.sqlPort), COMETQL_LOGIN: login, COMETQL_PASSWORD: secret };
  const php = await startPhp(here, env);
  const seen = await subscriber(server, "SimplePhpChat");
  const escaped = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#039;" };
  for (const [what, text] of [
    ["plain words", "Hello from PHP"],
    ["umlauts and emoji", "Grüße aus Köln 😀 好"],
    ["quotes and backslashes", `it's "quoted" \\ and \\' and ''`],
    ["markup, a zero byte and line ends", "<b>bold</b> & \0 one\r\ntwo\x1a"],
  ]) {
    await check(`php ${named}: the article's script sends ${what}`, async () => {
      const answer = await fetch(`${php.url}/php_insert.php?text=${encodeURIComponent(text)}`);
      assert.equal(await answer.text(), "");
      const message = await within(seen.next(), () => "the message");
      assert.equal(message.channel, "SimplePhpChat");
      assert.equal(message.event ?? "", "");
      assert.equal(message.data, text.replace(/[&<>"']/g, one => escaped[one]));
    });
  }
  await seen.stop();
  await php.stop();
}

async function checkPhpRefusal(server) {
  await check("php with a wrong password: 1045", async () => {
    const code = "mysqli_report(MYSQLI_REPORT_OFF); $link = @mysqli_connect('127.0.0.1', '15', 'guessed', 'CometQL_v1', getenv('PORT')); " +
      "echo mysqli_connect_errno(), ' ', mysqli_connect_error();";
    const php = program("php", ["-r", code], { env: { PORT: String(server.sqlPort) } });
    assert.match(await done(php), /^1045 .*Access denied/);
  });
}

function mariadb(server, args, { secret = "", ...options } = {}) {
  const where = ["--no-defaults", "--protocol=tcp", "--host=127.0.0.1", `--port=${server.sqlPort}`, "--user=15", "--default-character-set=utf8mb4"];
  return program("mariadb", [...where, ...args, "CometQL_v1"], { env: { MYSQL_PWD: secret }, ...options });
}

async function checkMariadb(server, { secret = "" } = {}) {
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
    const command = `mariadb --no-defaults --protocol=tcp --host=127.0.0.1 --port=${server.sqlPort} --user=15 --default-character-set=utf8mb4 CometQL_v1`;
    const typist = program("script", ["-qec", command, "/dev/null"], { env: { MYSQL_PWD: secret, TERM: "dumb" } });
    await typist.sees(/CometQL_v1\]?> /);
    typist.child.stdin.write("INSERT INTO pipes_messages (name, event, message) VALUES ('m_typed', '', 'first'), ('m_typed', '', 'second');\n");
    await typist.sees(/Query OK/);
    typist.child.stdin.write("SELEKT 1;\n");
    await typist.sees(/ERROR 1064 \(42000\)/);
    typist.child.stdin.write("INSERT INTO pipes_messages (name, event, message) VALUES ('m_typed', '', 'after the mistake');\n");
    await typist.sees(/Query OK/);
    typist.child.stdin.write("\\q\n");
    await done(typist);
    assert.deepEqual(await collect(seen, 3), [["", "first"], ["", "second"], ["", "after the mistake"]]);
    await seen.stop();
  });
}

async function checkMariadbRefusal(server) {
  await check("mariadb with a wrong password: ERROR 1045 (28000), exit 1", async () => {
    const client = await mariadb(server, ["-e", "SELECT 1"], { secret: "guessed" }).ends();
    assert.match(client.err, /ERROR 1045 \(28000\)/);
    assert.equal(client.code, 1);
  });
}

async function checkKey(server) {
  await check("with a publish key, curl needs it to publish and not to read", async () => {
    const url = `${server.url}/channels/locked`;
    const seen = await subscriber(server, "locked");
    for (const header of ["X-None: 1", "Authorization: Bearer guessed"]) {
      assert.match(await done(curl("-i", "-H", header, "-d", "x", url)), /^HTTP\/1\.1 40[13]/);
    }
    await done(curl("-f", "-H", "Authorization: Bearer open sesame", "-d", "allowed", url));
    assert.equal((await seen.next()).data, "allowed");
    await seen.stop();
  });
}

const rounds = process.env.LONG ? 20 : 1;
const open = await startServer();
const locked = await startServer({ args: ["--publish-key", "open sesame", "--cometql-password", password] });
for (let round = 0; round < rounds; round++) {
  if (round === 0) await checkCurl(open);
  await group(checkPhp, open);
  await group(checkMariadb, open);
  await group(checkPhp, locked, { secret: password });
  await group(checkPhpRefusal, locked);
  await group(checkMariadb, locked, { secret: password });
  await group(checkMariadbRefusal, locked);
  await group(checkKey, locked);
}
await check("both servers end with 0 at SIGTERM", async () => assert.deepEqual([await open.stop(), await locked.stop()], [0, 0]));
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
