// HTTP clients that we did not write, alone and through proxies: h11, and nginx, HAProxy and Caddy with the very
// configurations that the README shows.

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { certificates } from "./certificates.mjs";
import { publish, startServer } from "./encke.mjs";
import { check, curl, done, group, program, subscriber, within } from "./harness.mjs";
import { environment, packages, tell } from "./programs.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
const readme = await readFile(new URL("../../README.md", import.meta.url), "utf8");
const key = "open sesame";
const source = "127.0.0.9"; // where clients come from, so that a proxy's own address is another one

const pause = () => new Promise(again => setTimeout(again, 20));

/** The README's examples for a proxy, in order. */
const examples = language => [...readme.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, "gms"))].map(([, text]) => text);

async function checkH11() {
  const server = await startServer();
  const env = { ...environment(server, "h11"), PYTHONPATH: packages, ENCKE_URL: server.url };
  await tell("h11", await program("python3", ["-B", "h11_client.py"], { cwd: here, env }).ends());
  assert.equal(await server.stop(), 0);
}

const isHeard = port => new Promise(heard => {
  const socket = connect(port, "127.0.0.1", () => { socket.destroy(); heard(true); }).on("error", () => heard(false));
});

/** Starts a proxy with an example; `command` makes arguments of a folder and the text. */
async function startProxy(example, server, command) {
  const folder = await mkdtemp(join(tmpdir(), "encke-proxy-"));
  for (let tries = 0; tries < 20; tries++) { // its port cannot be 0, so take one that few others use
    const port = 20000 + Math.floor(Math.random() * 10000);
    const text = example.replace(/^(\s*(?:listen|bind) ).*?80(;?)$/gm, `$1127.0.0.1:${port}$2`)
      .replace(/^example\.com /m, `http://127.0.0.1:${port} `)
      .replace(/127\.0\.0\.1:808[01]/g, new URL(server.url).host);
    assert.ok(text.includes(`127.0.0.1:${port}`) && text.includes(new URL(server.url).host), text);
    const proxy = program(...await command(folder, text));
    while (!proxy.over && !(await isHeard(port))) await pause();
    if (proxy.over) {
      if (/in use/i.test(proxy.err + proxy.out)) continue;
      throw new Error(`${proxy.err}${proxy.out}`);
    }
    return { url: `http://127.0.0.1:${port}`, stop: async () => { await proxy.stop(); await rm(folder, { recursive: true }); } };
  }
  throw new Error("no free port");
}

async function nginx(folder, text) {
  const file = join(folder, "nginx.conf");
  const temp = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(name => `${name}_temp_path ${folder}/${name};`).join("\n");
  await writeFile(file, `daemon off; master_process off; pid ${folder}/pid; error_log stderr warn;\nevents {}\nhttp {\naccess_log off;\n${temp}\n${text}}\n`);
  return ["nginx", ["-p", folder, "-e", "stderr", "-c", file]];
}

async function haproxy(folder, text) {
  const file = join(folder, "haproxy.cfg");
  await writeFile(file, text);
  return ["haproxy", ["-db", "-f", file]];
}

async function caddy(folder, text) {
  const file = join(folder, "Caddyfile");
  await writeFile(file, `{\nadmin off\n}\n${text}`);
  const home = { HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder };
  return ["caddy", ["run", "--adapter", "caddyfile", "--config", file], { env: home }];
}

async function checkThrough(name, server, proxy) {
  const at = (channel, query = "") => `${proxy.url}/channels/${channel}${query}`;
  const send = (channel, data) => publish(proxy, channel, data, { key });
  await check(`${name}: a stream and a POST`, async () => {
    const seen = await subscriber(proxy, "p.stream");
    for (const text of ["first", "Grüße 😀"]) {
      assert.equal((await send("p.stream", text)).subscribers, 1);
      assert.equal((await seen.next()).data, text);
    }
    await seen.stop();
  });
  await check(`${name}: server-sent events arrive one by one`, async () => {
    const sse = curl("--interface", source, "-i", "-H", "Accept: text/event-stream", "-H", "X-Forwarded-For: 6.6.6.6", at("p.sse"));
    await sse.sees(/^id: ?\d+-\d+\r?$/m); // the cursor: the head has come through, too
    for (const text of ["first", "second"]) {
      await send("p.sse", text);
      await sse.sees(new RegExp(`^data: ?${text}\\r?$`, "m"));
    }
    await sse.stop();
  });
  await check(`${name}: the access log has the client's address, whatever it claims`, async () => {
    await within((async () => {
      while (!/GET \/channels\/p\.sse/.test(server.said)) await pause();
    })(), () => `the line: ${server.said}`);
    const line = server.said.split("\n").find(line => line.includes("GET /channels/p.sse"));
    assert.match(line, / 127\.0\.0\.9 GET /);
  });
  await check(`${name}: a poll is parked and answered`, async () => {
    const poll = curl("-i", at("p.poll", "?transport=poll&wait=20"));
    while (!poll.over) { // until it has been parked, nobody hears
      await send("p.poll", "news");
      await pause();
    }
    assert.match(await done(poll), /^HTTP\/1\.1 200[^]*"news"/);
  });
  await check(`${name}: a WebSocket, both ways`, async () => {
    // Node 20 has a WebSocket for those who ask.
    const code = `const socket = new WebSocket(process.argv[1]);
      socket.onopen = () => console.log("open");
      socket.onmessage = ({ data }) => { console.log(data); if (data.includes("through")) socket.close(1000); };
      socket.onclose = ({ code }) => console.log("closed", code);`;
    const url = `${proxy.url.replace("http", "ws")}/channels/p.ws?format=json`;
    const socket = program(process.execPath, ["--experimental-websocket", "-e", code, url]);
    await socket.sees(/^open$/m);
    await send("p.ws", "through");
    await socket.sees(/"through"/);
    await socket.sees(/^closed 1000$/m);
  });
}

async function through(name, example, command, args) {
  await group(name, async () => {
    assert.ok(example, "the README has an example");
    const log = "info,encke::access=info";
    const server = await startServer({ cometql: "off", log, args: ["--publish-key", key, ...args] });
    const proxy = await startProxy(example, server, command);
    await checkThrough(name, server, proxy);
    await proxy.stop();
    assert.equal(await server.stop(), 0);
  });
}

/** What the PROXY protocol announces stands in front of TLS, and in front of what CometQL says first. */
async function throughTunnel(example) {
  const { ca, args } = certificates();
  const all = [...args, "--https", "127.0.0.1:0", "--proxy-protocol", "127.0.0.1:0", "--publish-key", key, "--cometql-password", "p"];
  const server = await startServer({ log: "info,encke::access=info", args: all });
  const proxy = await startProxy(example, { url: server.secure }, haproxy);
  await check("haproxy, PROXY protocol: HTTPS, with the client's address", async () => {
    const url = proxy.url.replace("http:", "https:");
    for (const version of ["1.2", "1.3"]) {
      const safe = curl("--interface", source, "--cacert", ca, "--tls-max", version, "-f", `${url}/info?${version}`);
      assert.match(await done(safe), /"ok"/);
    }
    await within((async () => {
      while (!/ 127\.0\.0\.9 GET \/info.*\n[^]* 127\.0\.0\.9 GET \/info/.test(server.said)) await pause();
    })(), () => `two lines: ${server.said}`);
  });
  await proxy.stop();
  const sql = await startProxy(example, { url: `http://127.0.0.1:${server.sqlPort}` }, haproxy);
  await check("haproxy, PROXY protocol: CometQL, with TLS and without", async () => {
    const args = ["--no-defaults", "--protocol=tcp", "--host=127.0.0.1", `--port=${new URL(sql.url).port}`, "--user=15", "--password=p"];
    const safe = program("mariadb", [...args, "--ssl", `--ssl-ca=${ca}`, "-e", "\\s", "CometQL_v1"]);
    assert.match(await done(safe), /Cipher in use is TLS_/);
    assert.match(await done(program("mariadb", [...args, "--skip-ssl", "-e", "\\s", "CometQL_v1"])), /SSL:\s+Not in use/);
  });
  await sql.stop();
  assert.equal(await server.stop(), 0);
}

export async function checkHttp() {
  await group("h11", checkH11);
  const trusts = ["--trusted-proxy", "127.0.0.1"];
  const [ofNginx] = examples("nginx");
  const [ofHaproxy, ofTunnel] = examples("haproxy");
  await through("nginx", ofNginx, nginx, trusts);
  await through("haproxy", ofHaproxy, haproxy, trusts);
  await through("haproxy, PROXY protocol", ofTunnel, haproxy, ["--proxy-protocol", "127.0.0.1:0"]);
  await group("haproxy, PROXY protocol", () => throughTunnel(ofTunnel));
  const [ofCaddy] = examples("caddyfile");
  await through("caddy", ofCaddy, caddy, trusts);
}
