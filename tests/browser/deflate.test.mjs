// Chromium offers compression with every WebSocket: what it is sent and what it sends goes both ways compressed.

import assert from "node:assert/strict";
import { publish } from "../clients/encke.mjs";
import { page } from "./window.mjs";

const ALWAYS = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
const long = "some words, and again some words; ".repeat(200);

/** Opens a WebSocket in the page; `heard` becomes what it hears. */
const listen = (tab, path) => tab.evaluate(path => new Promise((done, failed) => {
  const socket = window.socket = new WebSocket(path);
  socket.binaryType = "arraybuffer";
  window.heard = [];
  socket.onmessage = ({ data }) => window.heard.push(typeof data === "string" ? data : [...new Uint8Array(data)].join());
  socket.onopen = () => done(socket.extensions);
  socket.onerror = () => failed(new Error("the WebSocket failed"));
}), path);
const heard = async (tab, count) => {
  await tab.waitForFunction(count => window.heard.length >= count, count);
  return tab.evaluate(() => window.heard);
};
const bytesOut = async server => (await (await fetch(`${server.url}/stats`)).json()).bytes_out;

page("messages of a channel reach Chromium compressed, and its own come back", async ({ window, server }) => {
  const tab = await window({ path: "/no-page" });
  assert.equal(await listen(tab, "/channels/deflate?format=json"), ALWAYS);
  const before = await bytesOut(server);
  await publish(server, "deflate", long);
  const [first] = await heard(tab, 1);
  assert.equal(JSON.parse(first).data, long);
  assert.ok(await bytesOut(server) - before < long.length, "fewer bytes went out than it has");
  await tab.evaluate(long => window.socket.send(JSON.stringify({ event: "mine", data: long + "☃" })), long);
  const [, second] = await heard(tab, 2);
  assert.deepEqual([JSON.parse(second).event, JSON.parse(second).data], ["mine", `${long}☃`]);
}, { forgive: text => /status of 404/.test(text) });

page("an echo to Chromium, of every size", async ({ window, server }) => {
  const tab = await window({ path: "/no-page" });
  assert.equal(await listen(tab, "/echo"), ALWAYS);
  const texts = ["", "short", long, "😀 ".repeat(50_000), "x".repeat(300_000)];
  await tab.evaluate(texts => texts.forEach(text => window.socket.send(text)), texts);
  assert.deepEqual(await heard(tab, texts.length), texts);
  await tab.evaluate(() => window.socket.send(new Uint8Array(1000).fill(7)));
  assert.equal((await heard(tab, texts.length + 1)).at(-1), Array(1000).fill(7).join());
}, { args: ["--echo", "/echo"], forgive: text => /status of 404/.test(text) });

page("--deflate off: Chromium goes on without it", async ({ window, server }) => {
  const tab = await window({ path: "/no-page" });
  assert.equal(await listen(tab, "/channels/plain"), "");
  await publish(server, "plain", long);
  assert.deepEqual(await heard(tab, 1), [long]);
}, { args: ["--deflate", "off"], forgive: text => /status of 404/.test(text) });
