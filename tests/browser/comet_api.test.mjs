// /CometServerApi.js in pages of another origin, against the real server: on every transport, over breaks and tabs.

import { test } from "node:test";
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { publish, startPhp, startServer } from "../clients/encke.mjs";
import { asks, connections, counted, hears, hostOf, listen, open, site, talk, token } from "./comet_pages.mjs";
import { startProxy } from "./proxy.mjs";
import { noServer, page } from "./window.mjs";

page("the article's chat works with another address alone", async ({ window, server }) => {
  const php = await startPhp(fileURLToPath(new URL("../clients", import.meta.url)), { COMETQL_PORT: String(server.sqlPort) });
  try {
    const path = `${site}/chat?server=${hostOf(server)}&php=${encodeURIComponent(`${php.url}/php_insert.php`)}`;
    const [ada, bo] = [await window({ path }), await window({ path })];
    await counted(server, "SimplePhpChat", 2);
    for (const text of ["Hello, it's <b>me</b>", `"Grüße" 😀 \\ back`, "12345678901234567890", "last"]) {
      await ada.fill("#msgText", text);
      await ada.click("text=Send");
      await ada.waitForFunction(() => !document.getElementById("msgText").value);
    }
    for (const tab of [ada, bo]) {
      await tab.locator("#textHolder", { hasText: "last" }).waitFor();
      assert.equal(await tab.locator("#textHolder").innerText(),
        `Hello, it's <b>me</b>\n"Grüße" 😀 \\ back\n12345678901234567890\nlast`);
    }
  } finally { await php.stop(); }
});

page("all forms of a subscription, in order, and whatever was sent arrives equal", async world => {
  const [ada, bo] = [await open(world), await open(world)];
  const ids = await ada.evaluate(() => {
    window.order = [];
    const note = name => ({ server_info: { pipe, event, user_id } }) => order.push(`${name}:${pipe}.${event}.${user_id}`);
    const { subscription } = cometApi;
    subscription(note("all"));
    const ids = [subscription("web_a", note("pipe")), subscription("web_a.ev", note("event")), subscription("web_b\nweb_c", note("list"))];
    return [...ids, subscription("x"), subscription()].map(id => id && id.split("&&")[0]);
  });
  assert.deepEqual(ids, ["web_a", "web_a.ev", "web_b\nweb_c", false, false]);
  const nasty = ["it's", `"q"`, "a\nb", "😀 \\ \\' \\\\'", "5", 5, "1e5", "<b>", { "'": [null, true, "\\u0027"] }, "", [], "007"];
  await listen(ada, ["web_nasty"]);
  await listen(bo, ["#web_a"]);
  for (const name of ["web_a", "web_b", "web_c", "web_nasty"]) await counted(world.server, name, 1);
  assert.deepEqual(await bo.evaluate(nasty => {
    const { web_pipe_send: send } = cometApi;
    const results = [send("web_a.ev", "x"), send("web_c", "", "y"), send("pipe", "ev", "refused")];
    nasty.forEach(value => send("web_nasty", "ev", value));
    return results;
  }, nasty), [true, true, undefined]);
  await hears(ada, nasty);
  assert.deepEqual((await ada.evaluate(() => order)).filter(one => !/sys|nasty/.test(one)), ["pipe:web_a.ev.0",
    "event:web_a.ev.0", "all:web_a.ev.0", "list:web_c..0", "all:web_c..0"]);
  await hears(bo, [{ message: `"x"`, number_messages: 1 }]);
  assert.equal(await ada.evaluate(() => cometApi.unsubscription(cometApi.subscription("gone", heard.push))), true);
  await bo.evaluate(() => cometApi.multi_web_pipe_send("web_nasty", "ev", { many: 1 }, 3, 20));
  await hears(ada, [...nasty, { many: 1 }]);
}, { forgive: text => text.startsWith("not web_") });

page("questions are answered: counts, members, users' data, history", async world => {
  const ada = await open(world);
  for (const n of [1, 2, 3]) await publish(world.server, "trust_log", `{"n":${n}}`);
  await listen(ada, ["track_room"]);
  await counted(world.server, "track_room", 1);
  assert.deepEqual((await asks(ada, "count_users_in_pipe", "track_room")).data, { user_in_pipe: 1 });
  const uuid = await ada.evaluate(() => cometApi.getUUID());
  assert.deepEqual((await asks(ada, "getTrackPipeUsers", "track_room")).data, [{ user_id: 0, uuid }]);
  assert.deepEqual((await asks(ada, "getUserData", 5)).data, { user_id: 5, user_data: "" });
  await ada.evaluate(() => cometApi.get_pipe_log("trust_log", ({ data, server_info }) => heard.push([data.n, server_info.history])));
  await hears(ada, [[1, true], [2, true], [3, true]]);
});

page("who has a key is told so, and gets what is for the user, also what waited", async world => {
  const sql = statement => promisify(execFile)("mariadb", ["--host=127.0.0.1", `--port=${world.server.sqlPort}`, "--user=15",
    "--password=secret", "--skip-ssl", "--database=CometQL_v1", `--execute=${statement}`]);
  const send = text => sql(`INSERT INTO users_messages (id, event, message) VALUES (7, 'ev', '${text}')`);
  await sql("INSERT INTO users_auth (id, hash) VALUES (7, 'k3y')");
  await sql("INSERT INTO users_data (id, data) VALUES (7, 'of seven')");
  const ada = await open(world);
  await ada.evaluate(() => {
    window.told = [];
    cometApi.onAuthSuccess(() => told.push("yes"));
    cometApi.onAuthFalill(() => told.push("no"));
  });
  await listen(ada, ["msg", "msg.ev"], { dev_id: 15, user_id: 7, user_key: "wrong" });
  await ada.waitForFunction(() => told[0]);
  for (const user_key of ["k3y", token(7, "secret15")]) {
    await ada.evaluate(user_key => cometApi.restart({ user_key }), user_key);
    await ada.waitForFunction(() => cometApi.isAuthorized());
    assert.equal(await ada.evaluate(() => cometApi.getRealUserKey()), "k3y");
  }
  assert.deepEqual(await ada.evaluate(() => told), ["no", "yes", "yes"]);
  assert.equal((await asks(ada, "getUserData", 7)).data.user_data, "of seven");
  await send("for you");
  await hears(ada, ["for you", "for you"]);
  await ada.evaluate(() => cometApi.stop());
  assert.equal(await ada.evaluate(() => cometApi.isConnected()), false);
  await send("while you were away");
  await listen(ada, []);
  await hears(ada, ["for you", "for you", "while you were away", "while you were away"]);
  await sql("DELETE FROM users_auth WHERE id = 7");
  await ada.evaluate(() => cometApi.restart({ user_key: "k3y" }));
  await ada.waitForFunction(() => cometApi.isAuthorized() === false);
}, { args: ["--cometql-password", "secret"] });

page("nothing is lost or doubled when connections break and the server restarts", async world => {
  const proxy = await startProxy(world.server.url);
  try {
    const ada = await open(world, proxy.host);
    await listen(ada, ["news"]);
    const stop = talk(world.server, "news");
    for (let i = 0; i < 3; i++) {
      await pause(300);
      proxy.cut();
      await ada.waitForFunction(count => heard.length > count, await ada.evaluate(() => heard.length));
    }
    const said = await stop();
    await hears(ada, said);
    const http = hostOf(world.server);
    await ada.evaluate(() => cometApi.subscription("sys.encke:lost", ({ data }) => { window.lost = data.channels; }));
    await world.server.stop();
    world.server = await startServer({ http });
    await ada.waitForFunction(() => cometApi.isConnected() && window.lost);
    assert.deepEqual(await ada.evaluate(() => lost), ["news"]);
    await publish(world.server, "news", "again");
    await hears(ada, [...said, "again"]);
  } finally { proxy.stop(); }
}, { forgive: noServer });

for (const [name, ways, kind] of [["SSE where upgrades are refused", {}, "sse"], ["long-polls where streams are buffered", { buffers: true }, "poll"]]) {
  page(`it takes ${name}, and says and hears all there`, async world => {
    const proxy = await startProxy(world.server.url);
    Object.assign(proxy.ways, ways, { refuses: true });
    try {
      const ada = await open(world, proxy.host), bo = await open(world);
      await listen(bo, ["web_a"]);
      await listen(ada, ["web_a"]);
      assert.equal((await connections(world.server))[kind], 1);
      const stop = talk(world.server, "web_a");
      await pause(4000); // in which WebSocket is tried once more
      const said = await stop();
      await hears(ada, said);
      await ada.evaluate(() => cometApi.web_pipe_send("web_a", "ev", "from there"));
      await hears(bo, [...said, "from there"]);
      assert.ok((await asks(ada, "count_users_in_pipe", "web_a")).data.user_in_pipe);
      ada.requests.length = 0;
      await ada.reload();
      await listen(ada, ["web_b"]);
      await publish(world.server, "web_b", "known now");
      await hears(ada, ["known now"]);
      assert.deepEqual(ada.requests.filter(url => url.startsWith("ws:")), []);
    } finally { proxy.stop(); }
  }, { forgive: noServer });
}

page("tabs share one connection, and go on when the one that leads is closed", async world => {
  const first = await open(world);
  await listen(first, ["news", "web_x"]);
  const second = await open(world, undefined, first.context()), third = await open(world, undefined, first.context());
  await publish(world.server, "trust_log", "kept");
  await listen(second, ["news", "other", "trust_log"]);
  await listen(third, ["web_x", "news"]);
  await counted(world.server, "other", 1);
  assert.equal((await connections(world.server)).ws, 1);
  await publish(world.server, "other", "for the second");
  await hears(second, ["for the second"]);
  await second.evaluate(() => cometApi.web_pipe_send("web_x", "ev", { from: "second" }));
  for (const tab of [first, third]) await hears(tab, [{ from: "second" }]);
  await third.evaluate(() => cometApi.get_pipe_log("trust_log", ({ data }) => heard.push(data)));
  await hears(third, [{ from: "second" }, "kept"]); // and not the second tab, which did not ask
  assert.equal((await asks(second, "count_users_in_pipe", "web_x")).data.user_in_pipe, 1);
  const stop = talk(world.server, "news");
  await pause(100);
  await first.close();
  await Promise.race([second, third].map(tab => tab.waitForFunction(() => cometApi.isMaster() && cometApi.isConnected())));
  await pause(100);
  const said = await stop();
  await hears(second, ["for the second", ...said]);
  await hears(third, [{ from: "second" }, "kept", ...said]);
  assert.equal((await connections(world.server)).ws, 1);
});

page("as a module, stopped and started anew", async world => {
  const tab = await world.window({ path: `${site}/module` });
  await tab.evaluate(async url => {
    const { default: api, CometServer } = await import(`${url}/CometServerApi.mjs`);
    if (api !== window.cometApi || CometServer() !== api) throw Error("not the same");
  }, world.server.url);
  await listen(tab, ["a_pipe"]);
  assert.equal(new URL(tab.requests.find(url => url.startsWith("ws:"))).host, hostOf(world.server));
  for (const call of ["restart", "stop", "start"]) {
    await tab.evaluate(call => cometApi[call](), call);
    await tab.waitForFunction(up => cometApi.isConnected() === up, call !== "stop");
  }
  await counted(world.server, "a_pipe", 1);
  await publish(world.server, "a_pipe", "x");
  await hears(tab, ["x"]);
});

test("it is small, kept until it changes, and open to every site", async () => {
  const server = await startServer();
  try {
    for (const name of ["CometServerApi.js", "CometServerApi.mjs"]) {
      const answer = await fetch(`${server.url}/${name}`, { headers: { Origin: "https://else.example" } });
      const headers = Object.fromEntries(answer.headers);
      assert.ok(Buffer.byteLength(await answer.text()) < 12_288);
      assert.equal(headers["content-type"], "text/javascript; charset=utf-8");
      assert.deepEqual([headers["access-control-allow-origin"], headers["cache-control"]], ["*", "no-cache"]);
      assert.equal((await fetch(`${server.url}/${name}`, { headers: { "If-None-Match": `"x", W/${headers.etag}` } })).status, 304);
    }
  } finally { await server.stop(); }
});
