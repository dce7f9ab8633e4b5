// Windows of Debian's Chromium on a server of their own, for tests of the pages.

import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { startServer } from "../clients/encke.mjs";

export let browser, profile;

before(async () => {
  profile = await mkdtemp(join(tmpdir(), "encke-chromium-")); // so nothing of a person's own setup is read
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    env: { ...process.env, HOME: profile, XDG_CONFIG_HOME: profile, XDG_CACHE_HOME: profile },
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync"],
  });
});
after(async () => {
  await browser?.close();
  await rm(profile, { recursive: true, force: true, maxRetries: 5 });
});

/** One test with its own server; windows are closed and complaints of the browser looked at afterwards. */
export function page(name, run, { forgive = () => false, ...server } = {}) {
  test(name, { timeout: 90_000 }, async () => {
    const world = { server: await startServer(server), contexts: [], complaints: [] };
    world.window = async (options = {}) => { // another person: own storage, own cookies, own connection
      const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
      context.setDefaultTimeout(15_000);
      world.contexts.push(context);
      return world.tab(context, options);
    };
    world.tab = async (context, { path = "/" } = {}) => {
      const tab = await context.newPage();
      tab.requests = [];
      tab.on("request", request => tab.requests.push(request.url()));
      tab.on("websocket", socket => tab.requests.push(socket.url()));
      tab.on("pageerror", error => world.complaints.push(String(error)));
      tab.on("console", message => message.type() === "error" && world.complaints.push(message.text()));
      await tab.goto(new URL(path, world.server.url).href);
      return tab;
    };
    try {
      await run(world);
      assert.deepEqual(world.complaints.filter(text => !forgive(text)), [], "the browser complained");
    } finally {
      await Promise.all(world.contexts.map(context => context.close()));
      await world.server.stop();
    }
  });
}
export const noServer = text => /ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE|ERR_INCOMPLETE_CHUNKED|WebSocket connection to/.test(text);
export const refusal = text => /status of 40[13]/.test(text);
