// Clients that we did not write against the real server: curl, the mariadb command line, programs in the
// languages of back ends (programs.mjs), HTTP alone and through proxies (http.mjs), WebSocket clients
// (deflate_cases.mjs), and one of ours that does whatever the Autobahn test suite does (websocket_cases.mjs). Each
// check of publishing ends in what a subscriber received. One line per check; the last line counts them.
// Run: node tests/clients/run.mjs   ($ENCKE names another binary, $LONG=1 repeats the exchange many times,
// $ONLY_CLIENT=php runs the programs whose names begin so, and nothing else; =http what http.mjs has)

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { checkCommandLine, checkMariadb, checkMariadbRefusal } from "./cli.mjs";
import { publish, startPhp, startServer } from "./encke.mjs";
import { check, count, curl, done, group, program, subscriber, within } from "./harness.mjs";
import { checkHttp } from "./http.mjs";
import { checkPrograms, withTenants } from "./programs.mjs";
import { checkDeflate } from "./deflate_cases.mjs";
import { checkWebSocketCases } from "./websocket_cases.mjs";
import { checkTls } from "./tls.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
const password = "s3cret '\"\\ ü";

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

async function checkWebSockets() {
  const only = process.env.ONLY_CLIENT ?? "";
  if (!"websocket".startsWith(only)) return;
  const echo = await startServer({ cometql: "off", args: ["--echo", "/echo", "--echo-reverse", "/reverse"] });
  await group("websocket", () => checkWebSocketCases(echo));
  await group("websocket, compressed", () => checkDeflate(echo));
  await check("the echo server ends with 0 at SIGTERM", async () => assert.equal(await echo.stop(), 0));
}

const rounds = process.env.LONG ? 20 : 1;
const open = await startServer();
const locked = await startServer({ args: ["--publish-key", "open sesame", "--cometql-password", password] });
for (let round = 0; round < rounds && !process.env.ONLY_CLIENT; round++) {
  if (round === 0) await checkCurl(open);
  await group("php", () => checkPhp(open));
  await group("mariadb", () => checkMariadb(open));
  await group("php", () => checkPhp(locked, { secret: password }));
  if (round === 0) await group("php", () => checkPhpRefusal(locked)); // wrong passwords are answered slower every time
  await group("mariadb", () => checkMariadb(locked, { secret: password }));
  if (round === 0) await group("mariadb", () => checkMariadbRefusal(locked));
  await group("curl", () => checkKey(locked));
  if (round === 0) await group("mariadb", () => withTenants(checkCommandLine));
}
if (!process.env.ONLY_CLIENT || process.env.ONLY_CLIENT === "tls") await group("tls", checkTls);
if (!process.env.ONLY_CLIENT || process.env.ONLY_CLIENT === "http") await checkHttp();
await checkPrograms();
await checkWebSockets();
await check("both servers end with 0 at SIGTERM", async () => {
  assert.deepEqual([await open.stop(), await locked.stop()], [0, 0]);
});
console.log(`${count.passed} passed, ${count.failed} failed`);
process.exit(count.failed ? 1 : 0);
