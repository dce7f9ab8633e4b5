// The dashboard in a real browser against the real server, with clients that listen and publish.

import assert from "node:assert/strict";
import net from "node:net";
import { publish, startServer } from "../clients/encke.mjs";
import { noServer, page, refusal } from "./window.mjs";

const path = "/dashboard";
const state = (tab, words) => tab.locator("#state").filter({ hasText: words }).waitFor();
const plot = (tab, title) => tab.locator(`section[aria-label="${title}"]`);
const legend = (tab, title, name, value) => plot(tab, title).locator("li", { hasText: new RegExp(`^${name}\\s*${value}$`) }).waitFor();

/** Listens like an EventSource; the answer ends it. */
async function listen(server, channel) {
  const stop = new AbortController();
  const answer = await fetch(`${server.url}/channels/${channel}`, { headers: { Accept: "text/event-stream" }, signal: stop.signal });
  assert.equal(answer.status, 200);
  answer.body.pipeTo(new WritableStream()).catch(() => {});
  return () => stop.abort();
}

/** Publishes until told to stop. */
function talk(server, channel) {
  const timer = setInterval(() => publish(server, channel, "x".repeat(200)).catch(() => {}), 50);
  return () => clearInterval(timer);
}

page("it draws what happens, while it happens", async ({ window, server }) => {
  const tab = await window({ path });
  await state(tab, "Live");
  const stops = await Promise.all(["news", "news", "news", "chat"].map(channel => listen(server, channel)));
  stops.push(talk(server, "news"));
  try {
    await legend(tab, "Connections", "SSE", 4);
    await tab.locator("#largest li", { hasText: /^news3$/ }).waitFor();
    await tab.locator("#busiest li", { hasText: /^news\d/ }).waitFor();
    await legend(tab, "Published", "Messages", "[1-9][\\d.]*");
    await legend(tab, "Delivery lag", "Median", "[\\d.]+\\s(µs|ms)");
    await legend(tab, "Memory per connection", "Slots and boxes", "\\d\\d\\sB");
    for (const title of ["Connections", "Published", "Delivered", "Delivery lag", "Memory", "Memory per connection"]) {
      await plot(tab, title).locator("path.curve").first().waitFor({ state: "attached" });
      assert.ok(await plot(tab, title).locator("text", { hasText: "now" }).count() === 1, `${title} has an axis of time`);
      assert.ok(await plot(tab, title).locator("text").count() >= 4, `${title} has an axis of values`);
      assert.match(await plot(tab, title).locator("svg").getAttribute("aria-label"), new RegExp(`^${title}: .*\\d`));
    }
    stops.pop()();
    stops.pop()();
    await legend(tab, "Connections", "SSE", 3); // and it goes on
  } finally {
    stops.forEach(stop => stop());
  }
});

page("a point, a finger or the arrow keys show an earlier moment in every plot", async ({ window }) => {
  const tab = await window({ path });
  await tab.waitForFunction(() => points.length >= 3);
  const moments = () => tab.locator(".plot > div > span").allTextContents();
  assert.deepEqual(new Set(await moments()), new Set([""]));
  await plot(tab, "Memory").locator("svg").hover();
  const shown = await moments();
  assert.match(shown[0], /^\d\d:\d\d:\d\d$/);
  assert.equal(new Set(shown).size, 1, "the same one in all");
  assert.equal(await tab.locator("line.cross").count(), 6);
  await tab.mouse.move(0, 0);
  await plot(tab, "Published").locator("svg").focus();
  await tab.keyboard.press("ArrowLeft");
  assert.equal(await tab.locator("line.cross").count(), 6);
});

page("cuts and errors are named, counted and without secrets", async ({ window, server }) => {
  const tab = await window({ path });
  await state(tab, "Live");
  await tab.getByText("None.").waitFor();
  await (await fetch(`${server.url}/nothing?token=hidden`)).text();
  await tab.locator("#recent li", { hasText: "HTTP 404Not Found" }).waitFor();
  await tab.locator("#chips li", { hasText: "HTTP 404 1" }).waitFor();
  const slow = net.connect(new URL(server.url).port, "127.0.0.1");
  slow.on("error", () => {}).pause();
  slow.write("GET /channels/big?transport=sse HTTP/1.1\r\nHost: localhost\r\n\r\n");
  for (let sent = 0; sent < 400 && !(await tab.locator("#recent .cut").count()); sent++) await publish(server, "big", "y".repeat(120_000));
  await tab.locator("#recent li", { hasText: "slowtoo slow: too much is waiting" }).waitFor();
  slow.destroy();
  assert.ok(!(await tab.locator("main").textContent()).includes("hidden"));
});

page("with a publish key it asks for it, and remembers it for the tab", async ({ window, server }) => {
  const tab = await window({ path });
  await tab.getByText("shown to whoever has the publish key").waitFor();
  assert.equal(await tab.locator("path.curve").count(), 0);
  await tab.fill("#key", "guessed");
  await tab.press("#key", "Enter");
  await tab.getByText("That key was not accepted").waitFor();
  await tab.fill("#key", "open sesame");
  await tab.press("#key", "Enter");
  await state(tab, "Live");
  assert.ok(await tab.locator("#login").isHidden());
  await tab.reload();
  await state(tab, "Live");
  assert.ok(tab.requests.every(url => !url.includes("sesame")), "the key is in no URL");
}, { args: ["--publish-key", "open sesame"], forgive: refusal });

page("it comes back when the server does", async world => {
  const tab = await world.window({ path });
  await state(tab, "Live");
  const { host } = new URL(world.server.url);
  await world.server.stop();
  await state(tab, "Reconnecting");
  world.server = await startServer({ http: host });
  await state(tab, "Live");
}, { forgive: noServer });

page("from phone to wide desk, in light and dark, nothing is wider than the screen", async ({ window, server }) => {
  const stop = await listen(server, "n".repeat(200));
  for (const width of [360, 768, 1280, 1600]) for (const colorScheme of ["light", "dark"]) {
    const tab = await window({ path, viewport: { width, height: 800 }, isMobile: width < 500, hasTouch: width < 500, colorScheme });
    await tab.locator("#largest b").waitFor();
    const size = await tab.evaluate(() => ({
      tooWide: document.documentElement.scrollWidth - innerWidth,
      outside: Array.from(document.querySelectorAll("main *")).filter(one => one.getBoundingClientRect().right > innerWidth + 1).length,
      cut: Array.from(document.querySelectorAll(".value, .note")).filter(one => one.scrollWidth > one.clientWidth + 1).map(one => one.textContent),
    }));
    assert.deepEqual(size, { tooWide: 0, outside: 0, cut: [] }, `${width} ${colorScheme}`);
  }
  stop();
});

page("the page is small, strict and loads nothing else", async ({ window, server }) => {
  const answer = await fetch(server.url + path);
  const body = await answer.text();
  assert.ok(Buffer.byteLength(body) < 30_000, `${Buffer.byteLength(body)} bytes`);
  const policy = answer.headers.get("content-security-policy");
  for (const part of [/default-src 'none'/, /script-src 'sha256-[^' ]+';/, /style-src 'sha256-[^' ]+';/, /connect-src 'self'/,
    /base-uri 'none'/, /form-action 'none'/, /frame-ancestors 'none'/]) assert.match(policy, part);
  assert.doesNotMatch(policy, /unsafe/);
  const tab = await window({ path });
  await state(tab, "Live");
  const foreign = tab.requests.filter(url => !/^(data:|http:\/\/127\.0\.0\.1:\d+\/dashboard(\/events)?$)/.test(url));
  assert.deepEqual(foreign, []);
});
