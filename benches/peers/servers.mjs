// The servers: each a process of its own on a free port of 127.0.0.1, ended by its own id. None is tuned beyond
// what its documentation says for many connections.

import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const patience = 10_000; // ms, until a server listens
const running = new Set();
process.on("exit", () => { for (const { child, after } of running) { child.kill(); after(); } });
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(1));

/** By the name of their preset in encke-bench. */
export const servers = { encke: startEncke, nchan: startNchan, ws: startWs };

function startEncke() {
  const args = ["--http", "127.0.0.1:0", "--cometql", "off", "--echo", "/echo"];
  return start(process.env.ENCKE, args, 2);
}

function startWs() {
  return start(process.execPath, [`${here}server.mjs`], 1);
}

async function startNchan() {
  const folder = mkdtempSync(`${tmpdir()}/encke-peers-`);
  chmodSync(folder, 0o755); // the worker is another user
  const port = await freePort();
  writeFileSync(`${folder}/nginx.conf`, nginxConf(port));
  const child = spawn("nginx", ["-p", folder, "-c", `${folder}/nginx.conf`], { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", text => { said += text; });
  const server = keep(child, () => rmSync(folder, { recursive: true, force: true }));
  await within(child, listening(child, port), () => said);
  server.pid = Number(workers(child));
  server.address = `127.0.0.1:${port}`;
  return server;
}

/** As small as nginx gets: one worker, no log, and of each channel the newest message alone is kept. */
function nginxConf(port) {
  const files = Number(/Max open files +\d+ +(\d+)/.exec(readFileSync("/proc/self/limits", "utf8"))?.[1] ?? 1_024);
  const connections = Math.min(files, 20_000) - 100;
  return `
    load_module /usr/lib/nginx/modules/ngx_nchan_module.so;
    daemon off; pid nginx.pid; error_log stderr warn;
    worker_processes 1; worker_rlimit_nofile ${connections + 100};
    events { worker_connections ${connections}; }
    http {
      access_log off;
      keepalive_requests 1000000;
      client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
      uwsgi_temp_path uwsgi; scgi_temp_path scgi;
      nchan_message_buffer_length 1;
      server {
        listen 127.0.0.1:${port} backlog=1024;
        location ~ ^/pub/(.+)$ { nchan_publisher; nchan_channel_id $1; }
        location ~ ^/sub/(.+)$ { nchan_subscriber; nchan_channel_id $1; nchan_subscriber_first_message newest; }
        location ~ ^/both/(.+)$ { nchan_pubsub websocket; nchan_channel_id $1; nchan_subscriber_first_message newest; }
      }
    }`;
}

/** A program that tells its address on this descriptor. */
async function start(command, args, descriptor) {
  const stdio = [0, 1, 2].map(one => one === descriptor ? "pipe" : "ignore");
  const { RUST_LOG, ...env } = process.env; // its own default tells the address
  const child = spawn(command, args, { stdio, env });
  const server = keep(child);
  let said = "";
  const heard = new Promise(found => child.stdio[descriptor].setEncoding("utf8").on("data", text => {
    said += text;
    const address = /http:\/\/(127\.0\.0\.1:\d+)\s/.exec(said)?.[1];
    if (address) found(address);
  }));
  server.pid = child.pid;
  server.address = await within(child, heard, () => said);
  return server;
}

/** Ends with this program at the latest; `after` is done then. */
function keep(child, after = () => {}) {
  const entry = { child, after };
  running.add(entry);
  const closed = new Promise(done => child.on("close", done)).then(() => { if (running.delete(entry)) after(); });
  return { async stop() { child.kill(); await closed; } };
}

async function freePort() {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address();
  probe.close();
  await once(probe, "close");
  return port;
}

/** nginx listens first, then starts the one worker that does all the work. */
async function listening(nginx, port) {
  const attempt = () => new Promise(done => {
    const socket = connect(port, "127.0.0.1").on("error", () => done(false));
    socket.on("connect", () => { socket.destroy(); done(true); });
  });
  while (!(await attempt() && workers(nginx))) await new Promise(next => setTimeout(next, 50));
}

function workers({ pid }) {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
}

/** What is awaited, or an error that quotes the program. */
async function within(child, awaited, said) {
  let timer;
  const late = new Promise((_, fail) => {
    const give = why => fail(new Error(`${child.spawnfile} ${why}${said().trim()}`));
    timer = setTimeout(give, patience, "does not listen: ");
    child.once("error", error => give(`cannot be started: ${error.message}`));
    child.once("close", () => give("ended: "));
  });
  return Promise.race([awaited, late]).finally(() => clearTimeout(timer));
}

/** What is compared, for who reads the table later. */
export function versions() {
  const said = (command, args) => {
    try { return execFileSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim(); } catch { return ""; }
  };
  const nginx = said("sh", ["-c", "nginx -v 2>&1"]).replace(/.*nginx\//, "nginx ");
  const nchan = said("dpkg-query", ["-W", "-f", "${Version}", "libnginx-mod-nchan"]) || "of unknown version";
  const ws = JSON.parse(readFileSync(`${here}node_modules/ws/package.json`, "utf8")).version;
  return [said(process.env.ENCKE, ["--version"]), `nchan ${nchan} in ${nginx}`, `ws ${ws} on Node ${process.version}`];
}
