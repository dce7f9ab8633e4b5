// Starts the real server for the tests that drive it from outside, and ends it again.
// The binary is $ENCKE, or the debug build of this checkout.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const binary = process.env.ENCKE ?? fileURLToPath(new URL("../../target/debug/encke", import.meta.url));
const running = new Set();
process.on("exit", () => running.forEach(child => child.kill("SIGKILL")));

/**
 * Starts encke on free ports of 127.0.0.1 unless `http` or `cometql` say otherwise (`cometql: "off"` for none).
 * Resolves when every listener has said its real address.
 */
export async function startServer({ http = "127.0.0.1:0", cometql = "127.0.0.1:0", args = [], log = "info" } = {}) {
  const child = spawn(binary, ["--http", http, "--cometql", cometql, ...args], {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, RUST_LOG: log },
  });
  running.add(child);
  const ended = once(child, "exit").finally(() => running.delete(child));
  ended.catch(() => {});
  const server = { said: "", url: undefined, secure: undefined, sqlPort: undefined };
  server.stop = async () => {
    child.kill("SIGTERM");
    const [code] = await ended;
    return code;
  };
  await new Promise((ready, failed) => {
    child.on("error", failed);
    child.stderr.setEncoding("utf8").on("data", text => {
      server.said += text;
      server.secure ??= server.said.match(/listening for HTTPS on (https:\/\/[^\s]+:\d+)/)?.[1];
      server.url ??= server.said.match(/listening for HTTP on (http:\/\/[^\s]+:\d+)/)?.[1];
      server.sqlPort ??= server.said.match(/listening for CometQL on [^\s]+:(\d+)/)?.[1];
      if (server.url && (server.sqlPort || cometql === "off")) ready();
    });
    ended.then(() => failed(new Error(`the server ended before it was ready:\n${server.said}`)), failed);
  });
  return server;
}

/** Publishes as a back end would. */
export async function publish(server, channel, data, { event = "", key } = {}) {
  const query = event ? `?event=${event}` : "";
  const answer = await fetch(`${server.url}/channels/${encodeURIComponent(channel)}${query}`, {
    method: "POST",
    body: data,
    headers: key ? { Authorization: `Bearer ${key}` } : {},
  });
  if (!answer.ok) throw new Error(`publishing answered ${answer.status} ${await answer.text()}`);
  return answer.json();
}

/** PHP's own web server over `directory`, so that scripts see `$_GET` as they do behind any web server. */
export async function startPhp(directory, env) {
  for (let tries = 0; tries < 20; tries++) { // its port cannot be 0, so take one that few others use
    const port = 20000 + Math.floor(Math.random() * 20000);
    const child = spawn("php", ["-S", `127.0.0.1:${port}`, "-t", directory], {
      stdio: ["ignore", "ignore", "pipe"],
      env: { ...process.env, ...env },
    });
    running.add(child);
    const ended = once(child, "exit").finally(() => running.delete(child));
    const started = new Promise((ready, failed) => {
      child.on("error", failed);
      child.stderr.setEncoding("utf8").on("data", text => text.includes("started") && ready(true));
      ended.then(() => ready(false), failed);
    });
    if (!(await started)) continue;
    return { url: `http://127.0.0.1:${port}`, stop: () => (child.kill(), ended) };
  }
  throw new Error("php -S found no free port");
}
