// Pages of an origin of their own that use /CometServerApi.js, and what tests ask them and their server.

import { after, before } from "node:test";
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import http from "node:http";
import { readFile } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import { publish } from "../clients/encke.mjs";

// Pages of their own origin: `?server=HOST` says where their script and its connection come from.
const chat = await readFile(new URL("comet_chat.html", import.meta.url), "utf8");
const blank = `<!DOCTYPE html><link rel="icon" href="data:,"><script src="//SERVER/CometServerApi.js"></script>`;
const pages = http.createServer(({ url }, answer) => {
  const { pathname, searchParams: asked } = new URL(url, "http://x");
  const text = { "/chat": chat, "/blank": blank, "/module": `<link rel="icon" href="data:,">` }[pathname];
  answer.setHeader("Content-Type", "text/html; charset=utf-8");
  answer.end(text.replace("SERVER", asked.get("server")).replace("PHP", asked.get("php")));
});
export let site;
before(() => new Promise(ready => pages.listen(0, "127.0.0.1", () => {
  site = `http://127.0.0.1:${pages.address().port}`;
  ready();
})));
after(() => pages.close());

export const hostOf = server => new URL(server.url).host;
export const open = (world, host = hostOf(world.server), context) => {
  const path = `${site}/blank?server=${host}`;
  return context ? world.tab(context, { path }) : world.window({ path });
};
/** Subscribes to `names`, starts, and waits for the connection. What arrives is in `heard`. */
export async function listen(tab, names, options = { dev_id: 15 }) {
  await tab.evaluate(([names, options]) => {
    window.heard ??= [];
    for (const name of names) cometApi.subscription(name, ({ data }) => heard.push(data));
    cometApi.start(options);
  }, [names, options]);
  await tab.waitForFunction(() => cometApi.isConnected());
}
export async function hears(tab, expected) {
  await tab.waitForFunction(count => heard.length >= count, expected.length);
  assert.deepEqual(await tab.evaluate(() => heard), expected);
}
const subscribers = async (server, name) => (await (await fetch(`${server.url}/channels/${name}/presence`)).json()).count;
export async function counted(server, name, count) {
  for (let tries = 0; await subscribers(server, name) !== count; tries++) {
    assert.ok(tries < 300, `${await subscribers(server, name)} on ${name}, not ${count}`);
    await pause(20);
  }
}
export const connections = async server => (await (await fetch(`${server.url}/stats`)).json()).connections;
export const asks = (tab, call, ...given) => tab.evaluate(([call, given]) =>
  new Promise(answer => cometApi[call](...given, answer)), [call, given]);
/** Publishes numbers all the time, until told to stop; then says how many there were. */
export function talk(server, channel) {
  let talking = true, count = 0;
  const done = (async () => { while (talking) { await publish(server, channel, String(count++)); await pause(20); } })(); // slower than the history is short
  return async () => { talking = false; await done; return Array.from({ length: count }, (_, i) => i); };
}
export function token(user, secret) {
  const text = [{ alg: "HS256", typ: "JWT" }, { user_id: user, exp: 4e9 }]
    .map(part => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".");
  return `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
}
