// The chat page in a real browser against the real server: what a person would try with two windows open.

import { test } from "node:test";
import assert from "node:assert/strict";
import http from "node:http";
import { readFile } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { publish, startPhp, startServer } from "../clients/encke.mjs";
import { browser, noServer, page, refusal } from "./window.mjs";

const channel = "SimplePhpChat";
const live = (tab, words = /^Live/) => tab.locator("#state").filter({ hasText: words }).waitFor();
const online = (tab, count) => tab.locator("#online").filter({ hasText: new RegExp(`^${count} online$`) }).waitFor();
const line = (tab, text) => tab.locator(".line", { hasText: text });
async function say(tab, text) {
  await tab.fill("#text", text);
  await tab.press("#text", "Enter");
}
const texts = tab => tab.locator(".bubble").evaluateAll(all => all.map(bubble => bubble.firstChild.data));

page("two windows chat, and each knows its own lines", async ({ window }) => {
  const [ada, bo] = [await window(), await window()];
  await Promise.all([live(ada), live(bo)]);
  await ada.fill("#name", "Ada <i>");
  await ada.press("#name", "Tab");
  await say(ada, "Hello & <b>welcome</b>");
  await line(bo, "Hello & <b>welcome</b>").waitFor();
  assert.equal(await line(bo, "Hello").locator(".who").textContent(), "Ada <i>");
  await say(bo, "Good to be here");
  await line(ada, "Good to be here").waitFor();
  assert.deepEqual(await texts(ada), ["Hello & <b>welcome</b>", "Good to be here"]);
  assert.deepEqual(await texts(bo), await texts(ada));
  assert.equal(await ada.locator(".mine").count(), 1);
  assert.equal(await bo.locator(".mine").count(), 1);
  assert.match(await bo.locator("time").first().textContent(), /\d\d:\d\d/);
  await ada.locator(".pending").waitFor({ state: "detached" });
  await ada.reload();
  await line(ada, "Good to be here").waitFor();
  assert.equal(await ada.inputValue("#name"), "Ada <i>", "the name is remembered");
  assert.equal(await ada.locator(".mine").count(), 1, "and so is who we are");
});

page("who is typing is seen by the others, until the line comes", async ({ window, server }) => {
  const [ada, bo] = [await window(), await window()];
  await Promise.all([live(ada), live(bo)]);
  await ada.fill("#name", "Ada");
  await ada.locator("#text").pressSequentially("Hm");
  await bo.getByText("Ada is typing").waitFor();
  assert.equal(await ada.locator("#typing").textContent(), "", "not by oneself");
  await publish(server, `${channel}:typing`, JSON.stringify({ name: "Cy", from: "c" }), { event: "typing" });
  await bo.getByText("Ada, Cy are typing").waitFor();
  await ada.press("#text", "Enter");
  await line(bo, "Hm").waitFor();
  await bo.getByText("Cy is typing").waitFor();
  await bo.locator("#typing:empty").waitFor({ state: "attached" }); // and an old one fades by itself
});

page("the number of people online follows windows that come and go", async ({ window }) => {
  const ada = await window();
  await online(ada, 1);
  const bo = await window();
  await Promise.all([online(ada, 2), online(bo, 2)]);
  await bo.context().close();
  await online(ada, 1);
});

page("two tabs share one connection, and the second takes over", async ({ window, tab, server }) => {
  const first = await window();
  await live(first, /^Live · WebSocket$/);
  await online(first, 1);
  const second = await tab(first.context());
  await live(second, "shared");
  await online(second, 1);
  assert.deepEqual(second.requests.filter(url => url.startsWith("ws")), [], "the second tab opened nothing");
  const { connections } = await (await fetch(`${server.url}/stats`)).json();
  assert.deepEqual([connections.ws, connections.sse, connections.stream, connections.poll], [1, 0, 0, 0]);
  await publish(server, channel, "to both tabs");
  await Promise.all([line(first, "to both tabs").waitFor(), line(second, "to both tabs").waitFor()]);
  await say(second, "from the second tab");
  await line(first, "from the second tab").waitFor();
  assert.equal(await first.locator(".mine").count(), 1, "both tabs are the same person");

  const opened = second.waitForEvent("websocket");
  await first.close();
  await publish(server, channel, "while nobody leads");
  await opened;
  await live(second, /^Live · WebSocket$/);
  await line(second, "while nobody leads").waitFor();
  await online(second, 1);
  assert.deepEqual(await texts(second), ["to both tabs", "from the second tab", "while nobody leads"]);
});

page("choosing a transport in one tab switches the tab that leads", async ({ window, tab }) => {
  const first = await window();
  await live(first);
  const second = await tab(first.context());
  await live(second, "shared");
  await second.selectOption("#transport", "sse");
  await live(first, /^Live · SSE$/);
  await live(second, /^Live · SSE · shared$/);
});

const transports = [
  { value: "sse", shown: "SSE", asks: /^http.*transport=sse/ },
  { value: "stream", shown: "Stream", asks: /^http.*transport=stream/ },
  { value: "ws", shown: "WebSocket", asks: /^ws:/ },
  { value: "poll", shown: "Long-poll", asks: /^http.*transport=poll/ },
  { value: "auto", shown: "WebSocket", asks: /^ws:/ },
];
page("every transport is really used, brings each line once, and misses none while switching", async ({ window, server }) => {
  const ada = await window();
  await live(ada);
  let sent = 0, talking = true;
  const talk = (async () => { // slow enough that no switch takes longer than the history is
    for (; talking; await pause(5)) await publish(server, channel, `line ${sent++}`);
  })();
  try {
    for (const { value, shown, asks } of transports) {
      ada.requests.length = 0;
      await ada.selectOption("#transport", value);
      await live(ada, `Live · ${shown}`);
      assert.ok(ada.requests.some(url => asks.test(url)), `${value} asked for ${ada.requests}`);
      ada.requests.length = 0; // from here on, nothing may use another transport
      await publish(server, channel, `by ${value}`);
      await line(ada, `by ${value}`).waitFor();
      for (const other of transports.filter(other => other.shown !== shown)) {
        assert.ok(!ada.requests.some(url => other.asks.test(url)), `${value} still uses ${other.value}`);
      }
    }
  } finally {
    talking = false;
    await talk;
  }
  await publish(server, channel, "the end");
  await line(ada, "the end").waitFor();
  // The page keeps its last 500 lines; of these none is missing, doubled or out of order.
  const numbers = (await texts(ada)).flatMap(text => text.match(/^line (\d+)/)?.[1] ?? []).map(Number);
  assert.equal(numbers.at(-1), sent - 1);
  assert.deepEqual(numbers, numbers.map((_, i) => numbers[0] + i));
  assert.ok(numbers.length > 10);
});

page("where WebSockets do not get through, Auto takes the next transport", async world => {
  const ada = await world.window({ path: "/?channel=elsewhere" });
  await live(ada, "Live · WebSocket");
  await ada.context().addInitScript(() => { // what a hostile proxy looks like from a page
    window.WebSocket = class { constructor() { setTimeout(() => this.onclose()); } close() {} };
  });
  await ada.goto(world.server.url);
  await live(ada, "Live · SSE");
  await say(ada, "around it");
  await line(ada, "around it").waitFor();
});

for (const { value, shown } of transports.slice(0, 4)) {
  page(`online and typing also work by ${value}`, async ({ window }) => {
    const ada = await window();
    await ada.selectOption("#transport", value);
    await live(ada, `Live · ${shown}`);
    const bo = await window();
    await live(bo);
    await online(bo, value === "poll" ? "[12]" : 2);
    await bo.fill("#name", "Bo");
    await bo.locator("#text").pressSequentially("x");
    await ada.getByText("Bo is typing").waitFor();
    await say(bo, "to whatever you use");
    await line(ada, "to whatever you use").waitFor();
    await online(ada, 2);
  });
}

page("a restart of the server: the pages come back and say what they may have missed", async world => {
  const [ada, bo] = [await world.window(), await world.window()];
  await bo.selectOption("#transport", "poll");
  await Promise.all([live(ada), live(bo, "Long-poll")]);
  await say(ada, "before");
  await line(bo, "before").waitFor();
  const { host } = new URL(world.server.url);
  assert.equal(await world.server.stop(), 0, "SIGTERM ends the server with 0");
  await Promise.all([ada, bo].map(tab => tab.getByText("Reconnecting").waitFor()));
  assert.match(await ada.locator("#countdown").textContent(), / in \d+ s/);
  await say(ada, "into the dark");
  await ada.getByText("Not sent: no connection").waitFor();
  world.server = await startServer({ http: host });
  await Promise.all([live(ada), live(bo)]);
  await Promise.all([ada, bo].map(tab => tab.getByText("Some messages may be missing").waitFor()));
  await ada.getByRole("button", { name: "Retry" }).click();
  await line(bo, "into the dark").waitFor();
  await ada.locator(".fault, .pending").waitFor({ state: "detached" });
  assert.equal(await line(ada, "into the dark").count(), 1);
  await Promise.all([online(ada, 2), online(bo, 2)]);
}, { forgive: noServer });

page("without a network the page says so, and comes back when it is there again", async ({ window, server }) => {
  const ada = await window();
  await live(ada);
  await ada.context().setOffline(true);
  await ada.getByText("Offline, next try").waitFor();
  await publish(server, channel, "said meanwhile");
  await ada.context().setOffline(false);
  await live(ada);
  await line(ada, "said meanwhile").waitFor();
  assert.equal(await ada.locator(".notice").count(), 0, "nothing was missed");
}, { forgive: text => noServer(text) || text.includes("ERR_INTERNET_DISCONNECTED") });

page("the article's PHP script reaches both windows, its HTML shown as text", async ({ window, server }) => {
  const [ada, bo] = [await window(), await window()];
  await Promise.all([live(ada), live(bo)]);
  const scripts = fileURLToPath(new URL("../clients", import.meta.url));
  const php = await startPhp(scripts, { COMETQL_PORT: String(server.sqlPort) });
  const text = `<b>Grüße</b> & "quotes" it's 😀 \\ back`;
  try {
    const answer = await fetch(`${php.url}/php_insert.php?text=${encodeURIComponent(text)}`);
    assert.equal(await answer.text(), "");
  } finally { await php.stop(); }
  for (const tab of [ada, bo]) {
    await line(tab, "Grüße").waitFor();
    assert.deepEqual(await texts(tab), [text]);
    assert.equal(await line(tab, "Grüße").locator(".who").textContent(), "server");
    assert.equal(await tab.locator("#log b").count(), 0);
  }
});

page("with a publish key the page is read-only until it is given the key", async ({ window, server }) => {
  const [ada, bo] = [await window(), await window()];
  await Promise.all([live(ada), live(bo)]);
  await ada.getByText("You can read along").waitFor();
  assert.ok(await ada.locator("#compose").isHidden());
  assert.equal(await ada.locator("#online").textContent(), "", "how many are here needs the key too");
  await publish(server, channel, "read this", { key: "open sesame" });
  await line(ada, "read this").waitFor();
  await ada.fill("#key", "guessed");
  await ada.press("#key", "Enter");
  await ada.getByText("That key was not accepted").waitFor();
  await ada.fill("#key", "open sesame");
  await ada.press("#key", "Enter");
  await ada.locator("#locked").waitFor({ state: "hidden" });
  await say(ada, "now I may");
  await line(bo, "now I may").waitFor();
  await ada.reload();
  await live(ada);
  await say(ada, "still");
  await line(bo, "still").waitFor();
  assert.ok(await bo.locator("#compose").isHidden(), "the other window has no key");
}, { args: ["--publish-key", "open sesame"], forgive: refusal });

page("?channel= is another room", async ({ window, server }) => {
  const ada = await window({ path: "/?channel=other.room" }), bo = await window();
  await Promise.all([live(ada), live(bo)]);
  await publish(server, "other.room", "only here");
  await line(ada, "only here").waitFor();
  assert.equal(await ada.locator("h1").textContent(), "other.room");
  await say(ada, "kept apart");
  await publish(server, channel, "over there");
  await line(bo, "over there").waitFor();
  assert.deepEqual(await texts(bo), ["over there"]);
});

page("on a phone, in light and dark, nothing is wider than the screen", async ({ window, server }) => {
  for (const colorScheme of ["light", "dark"]) {
    const ada = await window({ viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, colorScheme });
    await live(ada);
    await ada.fill("#name", "W".repeat(40));
    await say(ada, "w".repeat(300));
    await publish(server, channel, "https://example.org/" + "long/".repeat(60));
    await line(ada, "long/long").last().waitFor();
    const size = await ada.evaluate(() => {
      const { scrollWidth, scrollHeight } = document.documentElement;
      const widest = Math.max(...Array.from(document.querySelectorAll("main *"), one => one.getBoundingClientRect().right));
      return { tooWide: scrollWidth - innerWidth, tooHigh: scrollHeight - innerHeight, outside: widest > innerWidth };
    });
    assert.deepEqual(size, { tooWide: 0, tooHigh: 0, outside: false });
  }
});

page("the page is small, strict and loads nothing else", async ({ window, server }) => {
  const answer = await fetch(server.url);
  const body = await answer.text();
  assert.ok(Buffer.byteLength(body) < 20_000, `${Buffer.byteLength(body)} bytes`);
  const policy = answer.headers.get("content-security-policy");
  for (const part of [/default-src 'none'/, /script-src '(sha256|nonce)-[^' ]+';/, /style-src '(sha256|nonce)-[^' ]+';/,
    /connect-src 'self'/, /base-uri 'none'/, /form-action 'none'/, /frame-ancestors 'none'/]) assert.match(policy, part);
  assert.doesNotMatch(policy, /unsafe/);
  const ada = await window();
  await live(ada);
  const foreign = ada.requests.filter(url => !/^(data:|(http|ws):\/\/127\.0\.0\.1:\d+\/($|channels\/))/.test(url));
  assert.deepEqual(foreign, []);
});

test("the tutorial's WebSocket page works word for word", { timeout: 60_000 }, async () => {
  const server = await startServer({ http: "127.0.0.1:12345", args: ["--echo-reverse", "/ws.php"] });
  const tutorial = await readFile(new URL("websocket_tutorial.html", import.meta.url));
  const files = http.createServer((_, answer) => answer.setHeader("Content-Type", "text/html").end(tutorial));
  await new Promise(ready => files.listen(0, "127.0.0.1", ready));
  const context = await browser.newContext();
  try {
    const tab = await context.newPage();
    const alerts = [];
    const alerted = word => new Promise(heard => tab.on("dialog", async dialog => {
      alerts.push(dialog.message());
      await dialog.accept().catch(() => {});
      if (dialog.message() === word) heard();
    }));
    const connected = alerted("connected");
    await tab.goto(`http://127.0.0.1:${files.address().port}/`);
    await connected;
    for (const text of ["hello", "0123456789".repeat(50), ""]) {
      const answer = tab.waitForEvent("console", message => message.text().startsWith("Message"));
      await tab.fill("#msg", text);
      await tab.focus("#msg");
      await tab.evaluate(() => document.activeElement.blur());
      assert.equal((await answer).text(), "Message" + [...text].reverse().join(""));
    }
    tab.removeAllListeners("dialog");
    const closed = alerted("connection closed");
    await server.stop();
    await closed;
    assert.deepEqual(alerts, ["connected", "connection closed"]);
  } finally {
    await context.close();
    files.close();
    await server.stop();
  }
});
