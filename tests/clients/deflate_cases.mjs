// Compressed WebSocket messages (RFC 7692): the Autobahn test suite's categories 12 and 13 and what they leave out,
// with Node's zlib on this side; then two clients that we did not write, npm's ws and Python's websockets.

import assert from "node:assert/strict";
import { deflateRawSync, inflateRawSync, constants } from "node:zlib";
import { fileURLToPath } from "node:url";
import WebSocket from "ws";
import { publish, startServer } from "./encke.mjs";
import { check, program, within } from "./harness.mjs";
import { environment, packages, tell } from "./programs.mjs";
import { BINARY, CLOSE, PING, PONG, TEXT, closes, fragments, frame, isClosed, isMessage, open } from "./wire.mjs";

const NAME = "permessage-deflate";
const ALWAYS = `${NAME}; server_no_context_takeover; client_no_context_takeover`;
const header = offers => offers ? [`Sec-WebSocket-Extensions: ${offers}`] : [];
const flush = { finishFlush: constants.Z_SYNC_FLUSH };
const tail = Buffer.from([0, 0, 0xff, 0xff]);
const deflated = (data, windowBits = 15) => deflateRawSync(data, { ...flush, windowBits }).subarray(0, -4);
const inflated = (data, windowBits = 15) => inflateRawSync(Buffer.concat([data, tail]), { ...flush, windowBits });
const smallest = 128; // bytes that are worth it, as src/proto/deflate.rs says

/** What the answer says of extensions. */
const answered = wire => wire.answer.match(/^sec-websocket-extensions: (.*)\r$/im)?.[1];

/** The frame must be this message, compressed where that makes it smaller. */
function isCompressed(seen, opcode, payload, windowBits) {
  const read = seen.rsv ? inflated(seen.payload, windowBits) : seen.payload;
  if (seen.rsv) assert.ok(seen.payload.length < payload.length, "it became smaller");
  isMessage({ ...seen, rsv: seen.rsv & ~4, payload: read }, opcode, payload);
  return seen.rsv !== 0;
}

const words = "die Sonne tönt nach alter Weise in Brudersphären Wettgesang und ihre vorgeschriebne Reise vollendet sie mit Donnergang".split(" ");
const random = seed => () => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) / 2 ** 32;
const KINDS = [
  ["words", TEXT, draw => words[Math.floor(draw() * words.length)] + " "],
  ["JSON", TEXT, draw => JSON.stringify({ id: Math.floor(draw() * 1e9), name: words[Math.floor(draw() * words.length)], ok: draw() > 0.5 }) + ","],
  ["markup", TEXT, draw => `<li class="${words[Math.floor(draw() * 4)]}"><a href="#${Math.floor(draw() * 100)}">…</a></li>\n`],
  ["one byte", BINARY, () => "\0".repeat(64)],
  ["noise", BINARY, draw => String.fromCharCode(...Array.from({ length: 64 }, () => Math.floor(draw() * 256)))],
];

/** So many bytes of a kind. Text ends at a character. */
function make([name, opcode, piece], bytes, seed) {
  const draw = random(seed);
  let text = "";
  while (text.length < bytes) text += piece(draw);
  if (opcode === BINARY) return Buffer.from(text.slice(0, bytes), "latin1");
  return Buffer.from(text.replace(/[^\0-\x7f]/g, "ö").slice(0, bytes));
}

/** Messages go in batches, so that both sides are busy; each comes back as it was. */
async function exchange(wire, kind, bytes, count, { windowBits, fragmented, batch = 4 } = {}) {
  const payloads = Array.from({ length: 4 }, (_, seed) => make(kind, bytes, seed + bytes));
  const frames = payloads.map(payload => {
    const data = deflated(payload);
    return Buffer.concat(fragmented ? fragments(kind[1], data, fragmented, { rsv: 4 }) : [frame(kind[1], data, { rsv: 4 })]);
  });
  for (let sent = 0; sent < count; sent += batch) {
    const sending = wire.send(Array.from({ length: batch }, (_, at) => frames[at % 4]));
    for (let at = 0; at < batch; at++) {
      const payload = payloads[at % 4];
      const was = isCompressed(await wire.next(), kind[1], payload, windowBits);
      const isWorthIt = payload.length >= smallest && kind[0] !== "noise";
      assert.equal(was, isWorthIt, `${kind[0]}, ${payload.length} bytes: compressed or not`);
    }
    await sending;
  }
}

async function sizes(server) {
  for (const [place, kind] of KINDS.entries()) {
    await check(`websocket 12.${place + 1} compressed messages of 16 B to 128 KB: ${kind[0]}`, async () => {
      const wire = await open(server, "/echo", header(`${NAME}; client_max_window_bits`));
      assert.equal(answered(wire), ALWAYS);
      for (const bytes of [0, 16, 64, 127, 128, 256, 1024, 4096]) await exchange(wire, kind, bytes, 60);
      for (const bytes of [8192, 16384, 32768, 65536, 131072]) await exchange(wire, kind, bytes, 8);
      for (const [bytes, fragmented] of [[8192, 256], [16384, 256], [32768, 1024], [65536, 4096], [131072, 32768], [2048, 1]]) {
        await exchange(wire, kind, bytes, 8, { fragmented });
      }
      await closes(wire);
    });
  }
}

async function offers(server) {
  const rows = [
    ["nothing but the name", NAME, 15, ALWAYS],
    ["no context", `${NAME}; server_no_context_takeover; client_no_context_takeover`, 15, ALWAYS],
    ["a window of 9 bits", `${NAME}; server_max_window_bits=9`, 9, `${ALWAYS}; server_max_window_bits=9`],
    ["a window of 15 bits", `${NAME}; server_max_window_bits="15"`, 15, `${ALWAYS}; server_max_window_bits=15`],
    ["9 bits and no context", `${NAME}; server_no_context_takeover; server_max_window_bits=9`, 9, `${ALWAYS}; server_max_window_bits=9`],
    ["12 bits both ways", `${NAME}; client_max_window_bits=12; server_max_window_bits=12`, 12, `${ALWAYS}; server_max_window_bits=12`],
    ["three offers", `${NAME}; server_max_window_bits=8, ${NAME}; server_max_window_bits=10, ${NAME}`, 10, `${ALWAYS}; server_max_window_bits=10`],
  ];
  for (const [place, [name, offer, windowBits, answer]] of rows.entries()) {
    await check(`websocket 13.${place + 1} ${name}`, async () => {
      const wire = await open(server, "/echo", header(offer));
      assert.equal(answered(wire), answer);
      for (const kind of KINDS) {
        for (const bytes of [64, 1024, 65536]) await exchange(wire, kind, bytes, 8, { windowBits });
      }
      await closes(wire);
    });
  }
  await check("websocket: offers that are declined leave messages as they are", async () => {
    for (const offer of ["", "x-webkit-deflate-frame", `${NAME}; server_max_window_bits=8`, `${NAME}; level=9`, `${NAME}; client_max_window_bits=16`]) {
      const wire = await open(server, "/echo", header(offer));
      assert.equal(answered(wire), undefined, offer);
      const payload = make(KINDS[0], 2000, 1);
      await wire.send(frame(TEXT, payload));
      isMessage(await wire.next(), TEXT, payload);
      await wire.send(frame(TEXT, deflated(payload), { rsv: 4 }));
      await isClosed(wire, [1002]);
    }
  });
  await check("websocket: offers in two lines, and what is no list of offers", async () => {
    const wire = await open(server, "/echo", [...header("foo; bar"), ...header(`${NAME}; server_max_window_bits=11`)]);
    assert.equal(answered(wire), `${ALWAYS}; server_max_window_bits=11`);
    await closes(wire);
    for (const offer of [`${NAME};`, `${NAME}; =`, `${NAME}; server_max_window_bits="`]) {
      const refused = await open(server, "/echo", header(offer));
      assert.match(refused.answer, /^HTTP\/1\.1 400 /, offer);
      refused.socket.destroy();
    }
  });
}

async function hostile(server) {
  const hello = deflated(Buffer.from("Hello"));
  const bomb = bytes => deflated(Buffer.alloc(bytes));
  const rows = [
    ["data that is not deflated", [frame(TEXT, "Hello", { rsv: 4 })], 1007],
    ["half a block", [frame(TEXT, hello.subarray(0, 4), { rsv: 4 })], 1007],
    ["a text that is not UTF-8", [frame(TEXT, deflated(Buffer.from([0x61, 0xff])), { rsv: 4 })], 1007],
    ["the bit on a ping", [frame(PING, hello, { rsv: 4 })], 1002],
    ["the bit on a close", [frame(CLOSE, "", { rsv: 4 })], 1002],
    ["the bit on a continuation", [frame(TEXT, hello, { rsv: 4, fin: false }), frame(0, "", { rsv: 4 })], 1002],
    ["another bit beside it", [frame(TEXT, hello, { rsv: 6 })], 1002],
    ["a bomb of 16 MB and a byte", [frame(BINARY, bomb(16 * 2 ** 20 + 1), { rsv: 4 })], 1009],
    ["a bomb of 1 GB", [frame(BINARY, Buffer.concat([bomb(2 ** 28), bomb(2 ** 28), bomb(2 ** 28), bomb(2 ** 28)]), { rsv: 4 })], 1009],
  ];
  for (const [name, frames, code] of rows) {
    await check(`websocket, compressed: ${name} ends it with ${code}`, async () => {
      const wire = await open(server, "/echo", header(NAME));
      await wire.send(Buffer.concat(frames));
      await isClosed(wire, [code]);
    });
  }
  await check("websocket, compressed: all forms that a message may have", async () => {
    const wire = await open(server, "/echo", header(NAME));
    const empty = Buffer.from([0]);
    for (const [payload, text] of [
      [hello, "Hello"], [empty, ""], [Buffer.alloc(0), ""],
      [Buffer.concat([deflateRawSync("Hello"), empty]), "Hello"], // a last block
      [Buffer.concat([deflateRawSync("Hel"), deflateRawSync("lo"), empty]), "Hello"],
      [Buffer.concat([deflated(Buffer.from("Hel")), tail, hello.subarray(0, 0), deflated(Buffer.from("lo"))]), "Hello"],
    ]) {
      await wire.send([...fragments(TEXT, payload, 3, { rsv: 4 }).flatMap(one => [one, frame(PING, "between")])]);
      for (let seen = await wire.next(); ; seen = await wire.next()) {
        if (seen.opcode === PONG) continue;
        isMessage(seen, TEXT, text);
        break;
      }
    }
    await wire.send(frame(BINARY, bomb(16 * 2 ** 20), { rsv: 4 }));
    let seen = await wire.next();
    while (seen.opcode === PONG) seen = await wire.next();
    isMessage(seen, BINARY, Buffer.alloc(16 * 2 ** 20));
    await closes(wire);
  });
  await check("websocket, compressed: bombs do not keep others waiting", async () => {
    const wire = await open(server, "/channels/d.bombs?format=json", header(NAME));
    const one = frame(TEXT, deflated(Buffer.from(`"${" ".repeat(131_000)}`)), { rsv: 4 });
    wire.send(Array(4000).fill(one)); // half a gigabyte of what is no JSON
    const other = await open(server, "/echo");
    let worst = 0;
    for (let round = 0; round < 50; round++) {
      const start = performance.now();
      await other.send(frame(TEXT, "x"));
      isMessage(await other.next(), TEXT, "x");
      worst = Math.max(worst, performance.now() - start);
    }
    assert.ok(worst < 1000, `an answer took ${worst} ms`);
    wire.socket.destroy();
    await closes(other);
  });
}

async function channels(server) {
  const long = "some words, and again some words; ".repeat(20);
  const wires = { plain: "", nine: `${NAME}; server_max_window_bits=9`, most: `${NAME}; client_max_window_bits` };
  for (const [way, query] of [["raw", ""], ["JSON", "?format=json"]]) {
    await check(`websocket, compressed: one message of a ${way} channel to three kinds of clients`, async () => {
      const opened = {};
      for (const [name, offer] of Object.entries(wires)) opened[name] = await open(server, `/channels/d.${way}${query}`, header(offer));
      const { id } = await publish(server, `d.${way}`, long);
      await publish(server, `d.${way}`, "short");
      for (const [name, wire] of Object.entries(opened)) {
        const seen = await wire.next();
        assert.equal(seen.rsv, name === "plain" ? 0 : 4, name);
        const text = (seen.rsv ? inflated(seen.payload) : seen.payload).toString();
        assert.deepEqual(query ? JSON.parse(text) : text, query ? { id, channel: `d.${way}`, data: long } : long);
        const short = await wire.next();
        assert.equal(short.rsv, 0, "it is not worth it");
      }
      // And back: what a client sends compressed is published.
      const sent = query ? JSON.stringify({ data: long }) : long;
      await opened.nine.send(frame(TEXT, deflated(Buffer.from(sent)), { rsv: 4 }));
      const seen = await opened.plain.next();
      assert.equal(query ? JSON.parse(seen.payload).data : seen.payload.toString(), long);
      for (const wire of Object.values(opened)) wire.socket.destroy();
    });
  }
  await check("websocket, compressed: a CometServerApi client", async () => {
    const path = `/comet-server/ws/sesion=${"x".repeat(32)}&myid=1&devid=15&v=4.08&api=js`;
    const wire = await open(server, path, header(`${NAME}; client_max_window_bits`));
    assert.equal(answered(wire), ALWAYS);
    assert.equal((await wire.next()).rsv, 0, "its first words are its alone");
    await wire.send(frame(TEXT, deflated(Buffer.from(`subscription\nweb_deflate`)), { rsv: 4 }));
    let heard = 0; // there is no answer to a subscription
    for (let tries = 0; heard === 0 && tries < 1000; tries++) heard = (await publish(server, "web_deflate", long)).subscribers;
    assert.equal(heard, 1);
    const seen = await wire.next();
    assert.equal(seen.rsv, 4);
    assert.ok(inflated(seen.payload).toString().includes(long));
    wire.socket.destroy();
  });
  await check("websocket: --deflate off declines every offer", async () => {
    const off = await startServer({ cometql: "off", args: ["--echo", "/echo", "--deflate", "off"] });
    const wire = await open(off, "/echo", header(NAME));
    assert.equal(answered(wire), undefined);
    await closes(wire);
    assert.equal(await off.stop(), 0);
  });
}

/** npm's ws, with every combination of its options. */
async function checkWs(server) {
  const url = server.url.replace("http", "ws");
  const flags = [{}, { serverNoContextTakeover: true }, { clientNoContextTakeover: true }, { serverNoContextTakeover: true, clientNoContextTakeover: true }];
  const windows = [{}, { clientMaxWindowBits: 9 }, { clientMaxWindowBits: true }, { serverMaxWindowBits: 9 }, { serverMaxWindowBits: 12, clientMaxWindowBits: 15 }, { serverMaxWindowBits: 15 }];
  for (const window of windows) {
    for (const flag of flags) {
      await check(`ws: ${JSON.stringify({ ...flag, ...window })}`, async () => {
        const client = new WebSocket(`${url}/echo`, { perMessageDeflate: { threshold: 0, ...flag, ...window } });
        const seen = [];
        let wake = () => {};
        client.on("message", (data, isBinary) => { seen.push(isBinary ? data : data.toString()); wake(); });
        const ended = new Promise((done, failed) => { client.on("close", (code, reason) => done([code, reason.toString()])); client.on("error", failed); });
        await within(new Promise((done, failed) => { client.on("open", done); client.on("error", failed); }), () => "an open WebSocket");
        assert.equal(client.extensions, "permessage-deflate");
        const sent = ["", "short", "many words, ".repeat(1000), Buffer.alloc(200_000, 7), make(KINDS[4], 5000, 3), "ünï ☃ 😀 ".repeat(500)];
        for (const one of sent) client.send(one);
        while (seen.length < sent.length) await within(new Promise(done => { wake = done; }), () => "a message");
        assert.deepEqual(seen.map(one => Buffer.from(one)), sent.map(one => Buffer.from(one)));
        client.close(3000, "enough");
        assert.deepEqual(await within(ended, () => "the end"), [3000, ""]);
      });
    }
  }
}

/** Python's websockets; what it says of its checks is handed on. */
async function checkPython(server) {
  const here = fileURLToPath(new URL(".", import.meta.url));
  const env = { ...environment({ sqlPort: 0 }, "websockets"), PYTHONPATH: packages, URL: server.url.replace("http", "ws") };
  await tell("websockets", await program("python3", ["-B", "websockets_client.py"], { cwd: here, env }).ends(60_000));
}

/** All of it. */
export async function checkDeflate(server) {
  await sizes(server);
  await offers(server);
  await hostile(server);
  await channels(server);
  await checkWs(server);
  await checkPython(server);
}
