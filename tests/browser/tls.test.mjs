// The chat page over https and wss, in a real browser that does not know the authority.

import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { certificates } from "../clients/certificates.mjs";
import { publish } from "../clients/encke.mjs";
import { page } from "./window.mjs";

const channel = "SimplePhpChat";
const secure = { args: ["--https", "127.0.0.1:0", ...certificates().args] };
const live = tab => tab.locator("#state").filter({ hasText: /^Live/ }).waitFor();
const line = (tab, text) => tab.locator(".line", { hasText: text });

page("two windows chat over wss, and hear what comes by the plain port", async ({ window, server }) => {
  const open = () => window({ ignoreHTTPSErrors: true, path: `${server.secure}/` });
  const [ada, bo] = [await open(), await open()];
  await Promise.all([live(ada), live(bo)]);
  await ada.fill("#text", "Nobody listens in");
  await ada.press("#text", "Enter");
  await line(bo, "Nobody listens in").waitFor();
  await publish(server, channel, "from a back end");
  await Promise.all([ada, bo].map(tab => line(tab, "from a back end").waitFor()));
  const sockets = ada.requests.filter(url => url.startsWith("ws"));
  assert.ok(sockets.length > 0 && sockets.every(url => url.startsWith("wss://")), `${ada.requests}`);
}, secure);

page("an EventSource, a poll and a WebSocket over TLS all hear one message", async ({ window, server }) => {
  const tab = await window({ ignoreHTTPSErrors: true, path: `${server.secure}/info` });
  await tab.evaluate(() => {
    window.heard = {};
    const hear = (way, text) => { window.heard[way] = text; };
    new EventSource("/channels/t").onmessage = event => hear("sse", event.data);
    new WebSocket(`wss://${location.host}/channels/t`).onmessage = event => hear("ws", event.data);
    fetch("/channels/t?transport=poll&wait=30").then(answer => answer.json()).then(([message]) => hear("poll", message.data));
  });
  const all = async () => (await (await fetch(`${server.url}/channels/t/presence`)).json()).count;
  while (await all() < 3) await pause(20);
  await publish(server, "t", "to all three");
  await tab.waitForFunction(() => window.heard.sse && window.heard.ws && window.heard.poll);
  const { sse, ws, poll } = await tab.evaluate(() => window.heard);
  assert.deepEqual([sse, ws, poll], ["to all three", "to all three", "to all three"]);
}, { ...secure, forgive: text => /status of 404/.test(text) }); // a page of JSON has no icon
