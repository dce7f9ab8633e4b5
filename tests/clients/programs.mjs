// Programs in the languages of back ends, each with a MySQL client of its own, against a server of two tenants.
//
// A program finds the server and its texts in the environment (see `environment`) and says its checks as lines of
// the Test Anything Protocol: "ok 1 - name" or "not ok 1 - name", "# " before what there is to say, "1..N" when
// it came to its end. It publishes every text in order, with the event "note", on the channel NAME_WAY for each of
// its ways: `quoted` by the client's own function for that, `filled` into placeholders by the client, `bound` to a
// prepared statement of the server. As the user of the tenant "shop" it publishes the first on NAME_shop.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { certificates } from "./certificates.mjs";
import { publish, startServer } from "./encke.mjs";
import { check, group, program, subscriber } from "./harness.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
export const packages = fileURLToPath(new URL("../../target/clients/python", import.meta.url)); // see tests/run
export const account = { user: "15", password: "s3cret '\"\\ ü" };
export const shop = { user: "7", password: "another" }; // the tenant of that name
const slow = 60_000; // ms: Java, on a machine that is busy

export const TEXTS = [
  `it's "q" \\ 100% ünï ☃ 😀`,
  JSON.stringify({ "it's": "a \"quoted\" word", lines: "one\ntwo\r\n\tthree", slashes: "C:\\dir\\new \\' \\\"", signs: "ünï ☃ 😀 %_" }),
  `[\n  "over ''several'' lines",\n  {"n": 1.5e3, "none": null}\n]`,
  "one\r\ntwo\0three\x1afour\tfive",
  "\\' \\\" \\\\ '' \"\" `` \\% \\_ \\n %s %(a)s ? :a $1 {0} #",
  "'); DELETE FROM users_auth; -- \\",
  "12",
  "it's ☃ ".repeat(6600), // so long that lengths need three bytes
];

const python = { PYTHONPATH: packages };
const driver = "/usr/share/java/mariadb-java-client.jar";
const PROGRAMS = [
  { name: "php_mysqli", command: ["php", "php_mysqli.php"], ways: ["quoted", "bound"] },
  { name: "php_pdo", command: ["php", "php_pdo.php"], ways: ["quoted", "filled", "bound"] },
  { name: "node_mysql", command: [process.execPath, "node_mysql.mjs"], ways: ["quoted", "filled"] },
  { name: "node_mysql2", command: [process.execPath, "node_mysql2.mjs"], ways: ["quoted", "filled", "bound"] },
  { name: "pymysql", command: ["python3", "-B", "pymysql_client.py"], ways: ["quoted", "filled"], env: python },
  { name: "connector_pure", command: ["python3", "-B", "connector.py", "pure"], ways: ["filled", "bound"], env: python, likesTls: true },
  { name: "connector_c", command: ["python3", "-B", "connector.py", "c"], ways: ["filled", "bound"], env: python, likesTls: true },
  { name: "dbd_mysql", command: ["perl", "dbi.pl", "mysql"], ways: ["quoted", "filled", "bound"] },
  { name: "dbd_mariadb", command: ["perl", "dbi.pl", "MariaDB"], ways: ["quoted", "filled", "bound"] },
  { name: "jdbc", command: ["java", "-cp", driver, "Jdbc.java"], ways: ["filled", "bound"] },
];

export function environment(server, name) {
  return {
    COMETQL_HOST: "127.0.0.1", COMETQL_PORT: String(server.sqlPort),
    COMETQL_LOGIN: account.user, COMETQL_PASSWORD: account.password,
    COMETQL_SHOP_LOGIN: shop.user, COMETQL_SHOP_PASSWORD: shop.password,
    NAME: name, // begins the names of its channels
    TEXTS: TEXTS.map(text => Buffer.from(text).toString("base64")).join(" "),
    LC_ALL: "C.UTF-8", // or Java reads the password as ASCII
  };
}

/** Hands on what a program said about its checks. All that it said and did beyond that is a failure. */
export async function tell(name, { out, err, code }) {
  const checks = [], strange = [];
  let planned, parts = []; // Perl's checks have parts, which come before them and are indented
  for (const line of out.split("\n").slice(0, -1)) {
    const [, not, title] = line.match(/^(not )?ok \d+ - (.*)$/) ?? [];
    if (title) checks.push({ title, not, words: parts.splice(0) });
    else if (line.startsWith("    ")) parts.push(line.slice(4));
    else if (line.startsWith("# ")) checks.at(-1)?.words.push(line.slice(2));
    else if (/^1\.\.\d+$/.test(line)) planned = Number(line.slice(3));
    else strange.push(line);
  }
  for (const { title, not, words } of checks) {
    await check(`${name}: ${title}`, () => { if (not) throw words.join("\n"); });
  }
  await check(`${name}: comes to its end and says nothing else`, () => {
    assert.equal([...strange, err].join("\n"), "");
    assert.equal(planned, checks.length);
    assert.equal(code === 0, checks.every(({ not }) => !not), `exit ${code}`);
  });
}

/** All that arrives for each of `channels`, until `mark` comes there. */
export async function collect(seen, channels, mark) {
  const arrived = Object.fromEntries(channels.map(channel => [channel, []]));
  for (let open = channels.length; open > 0;) {
    const { channel, event, data } = await seen.next();
    if (data === mark) open--;
    else arrived[channel].push({ event, data });
  }
  return arrived;
}

async function checkProgram(server, { name, command: [command, ...args], ways, env }) {
  const channels = ways.map(way => `${name}_${way}`);
  const inTheShop = { url: `${server.url}/shop` };
  const seen = await subscriber(server, [...channels, `${name}_shop`].join(","));
  const seenInShop = await subscriber(inTheShop, `${name}_shop`);
  const running = program(command, args, { cwd: here, env: { ...environment(server, name), ...env } });
  await tell(name, await running.ends(slow));

  const mark = "all that came before has arrived";
  for (const channel of [...channels, `${name}_shop`]) await publish(server, channel, mark);
  await publish(inTheShop, `${name}_shop`, mark);
  const arrived = await collect(seen, [...channels, `${name}_shop`], mark);
  for (const way of ways) {
    await check(`${name}: every text that was ${way} arrived as it was`, () => {
      const got = arrived[`${name}_${way}`];
      assert.equal(got.length, TEXTS.length, "that many messages");
      got.forEach(({ event, data }, place) => {
        assert.equal(event, "note");
        assert.ok(data === TEXTS[place], `text ${place} arrived as ${JSON.stringify(data).slice(0, 300)}`);
      });
    });
  }
  const inShop = await collect(seenInShop, [`${name}_shop`], mark);
  await check(`${name}: what the other tenant's user sent arrived there and only there`, () => {
    assert.deepEqual(inShop[`${name}_shop`], [{ event: "note", data: TEXTS[0] }]);
    assert.deepEqual(arrived[`${name}_shop`], []);
  });
  await seen.stop();
  await seenInShop.stop();
}

/** The same with a client that goes on inside TLS wherever it is offered. */
async function checkInsideTls(server, each) {
  const inside = { ...each, name: `${each.name}_tls` };
  await checkProgram(server, inside);
  await check(`${inside.name}: all of that went through TLS`, async () => {
    const { tls } = await (await fetch(`${server.url}/stats`)).json();
    assert.ok(tls.handshakes > 0 && tls.failures === 0, JSON.stringify(tls));
  });
}

/** A server of two tenants for `run` alone: it counts wrong passwords and answers them slower every time. */
export async function withTenants(run, args = []) {
  const folder = await mkdtemp(join(tmpdir(), "encke-clients-"));
  const file = join(folder, "encke.toml");
  const keys = ({ user, password }) => `dev_id = ${user}\ncometql_password = ${JSON.stringify(password)}\n`; // TOML quotes alike
  await writeFile(file, `${keys(account)}[[tenant]]\nname = "shop"\n${keys(shop)}`);
  try {
    const server = await startServer({ args: ["--config", file, ...args] });
    await run(server);
    assert.equal(await server.stop(), 0);
  } finally {
    await rm(folder, { recursive: true });
  }
}

export async function checkPrograms() {
  const only = process.env.ONLY_CLIENT ?? ""; // a name's beginning, for who works on one
  for (const each of PROGRAMS.filter(({ name }) => name.startsWith(only))) {
    await group(each.name, () => withTenants(server => checkProgram(server, each)));
    if (each.likesTls) await group(each.name, () => withTenants(server => checkInsideTls(server, each), certificates().args));
  }
}
