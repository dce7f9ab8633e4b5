// What the Autobahn test suite asks of a WebSocket server, by the numbers of its categories, in the strict reading:
// every frame that it wants to see, the right close code at the earliest byte, and a clean end of TCP afterwards.
// Its own program needs Python 2, so the cases are written anew here. One check for each group of cases.

import assert from "node:assert/strict";
import { check } from "./harness.mjs";
import { BINARY, CLOSE, PING, PONG, TEXT, closes, closing, fragments, frame, isClosed, isMessage, open } from "./wire.mjs";

const wait = ms => new Promise(done => setTimeout(done, ms));
const hex = text => Buffer.from(text.replaceAll(" ", ""), "hex");
const text = payload => ({ opcode: TEXT, payload });
const binary = payload => ({ opcode: BINARY, payload });
const pong = payload => ({ opcode: PONG, payload });
const star = bytes => Buffer.alloc(bytes, "*");
const noise = bytes => Buffer.from(Array.from({ length: bytes }, (_, at) => (at * 7919 + 254) & 255));

/** Sends the steps (frames, or milliseconds to wait) and sees the events; then the client or the server closes. */
async function one(server, { send, see = [], fails, chop }) {
  const wire = await open(server, "/echo");
  for (const step of [send].flat()) {
    if (typeof step === "number") await wait(step);
    else await wire.send(step, { chop });
  }
  for (const { opcode, payload } of see) isMessage(await wire.next(), opcode, payload);
  if (fails) await isClosed(wire, fails);
  else await closes(wire);
}

/** Runs the cases of a group; all that fail are named. */
async function group(server, number, title, cases) {
  await check(`websocket ${number} ${title}: ${cases.length} cases`, async () => {
    const failures = [];
    for (const [place, each] of cases.entries()) {
      const run = typeof each === "function" ? each(server) : one(server, each);
      await run.catch(error => failures.push(`${number}.${place + 1}: ${error.message}`));
    }
    assert.deepEqual(failures, []);
  });
}

async function framing(server) {
  const sizes = [0, 125, 126, 127, 128, 65535, 65536];
  for (const [number, title, opcode, make] of [["1.1", "text messages", TEXT, star], ["1.2", "binary messages", BINARY, noise]]) {
    const whole = sizes.map(size => ({ send: frame(opcode, make(size)), see: [{ opcode, payload: make(size) }] }));
    await group(server, number, title, [...whole, { ...whole.at(-1), chop: 997 }]);
  }
}

async function pings(server) {
  const most = star(125);
  const ten = Array.from({ length: 10 }, (_, at) => `payload-${at}`);
  // As many as one client may send in a second (README.md, "Bounds").
  const many = Array.from({ length: 50 }, (_, at) => `${at}`);
  const answered = payloads => ({ send: [Buffer.concat(payloads.map(payload => frame(PING, payload)))], see: payloads.map(pong) });
  await group(server, "2", "pings and pongs", [
    answered([""]),
    answered(["Hello, world!"]),
    answered([hex("00 ff fe fd fc fb 00 ff")]),
    answered([most]),
    { send: frame(PING, star(126)), fails: [1002] },
    { ...answered([most]), chop: 1 },
    { send: frame(PONG) },
    { send: frame(PONG, "unsolicited pong payload") },
    { send: [frame(PONG, "unsolicited"), frame(PING, "ping payload")], see: [pong("ping payload")] },
    answered(ten),
    { ...answered(ten), chop: 1 },
    answered(many),
  ]);
}

async function reserved(server) {
  const hello = frame(TEXT, "Hello, world!");
  const seen = [text("Hello, world!")];
  const behind = frame(PING);
  await group(server, "3", "reserved bits", [
    { send: frame(TEXT, "small", { rsv: 1 }), fails: [1002] },
    { send: [Buffer.concat([hello, frame(TEXT, "small", { rsv: 2 }), behind])], see: seen, fails: [1002] },
    { send: [Buffer.concat([hello, frame(TEXT, "small", { rsv: 3 }), behind])], see: seen, fails: [1002] },
    { send: [hello, frame(TEXT, "small", { rsv: 4 }), behind], see: seen, fails: [1002], chop: 1 },
    { send: frame(BINARY, noise(8), { rsv: 5 }), fails: [1002] },
    { send: frame(PING, "", { rsv: 6 }), fails: [1002] },
    { send: frame(CLOSE, "", { rsv: 7 }), fails: [1002] },
  ]);
  for (const [number, opcodes] of [["4.1", [3, 4, 5, 6, 7]], ["4.2", [11, 12, 13, 14, 15]]]) {
    await group(server, number, "reserved opcodes", opcodes.flatMap(opcode => [
      { send: frame(opcode), fails: [1002] },
      { send: frame(opcode, "reserved opcode"), fails: [1002] },
      { send: [Buffer.concat([hello, frame(opcode), behind])], see: seen, fails: [1002] },
      { send: [hello, frame(opcode, "reserved opcode"), behind], see: seen, fails: [1002], chop: 1 },
    ]));
  }
}

async function fragmentation(server) {
  const first = (payload, more) => frame(TEXT, payload, { fin: false, ...more });
  const next = (payload, fin = false) => frame(0, payload, { fin });
  const two = [first("fragment1"), next("fragment2", true)];
  const both = [text("fragment1fragment2")];
  const between = [first("fragment1"), frame(PING, "ping"), next("fragment2", true)];
  const hello = frame(TEXT, "Hello, world!");
  const six = [
    first("fragment1"), next("fragment2"), frame(PING, "pongme 1"), next("fragment3"),
    next("fragment4"), frame(PING, "pongme 2"), next("fragment5", true),
  ];
  const five = text("fragment1fragment2fragment3fragment4fragment5");
  const ways = send => [{ send: [Buffer.concat(send)] }, { send }, { send, chop: 1 }];
  await group(server, "5", "fragments", [
    { send: frame(PING, "fragment1", { fin: false }), fails: [1002] },
    { send: frame(PONG, "fragment1", { fin: false }), fails: [1002] },
    ...ways(two).map(way => ({ ...way, see: both })),
    ...ways(between).map(way => ({ ...way, see: [pong("ping"), ...both] })),
    ...ways([next("non-continuation payload", true), hello]).map(way => ({ ...way, fails: [1002] })),
    ...ways([next("non-continuation payload"), hello]).map(way => ({ ...way, fails: [1002] })),
    { send: [...two, next("fragment3"), first("fragment4", { fin: true })], see: both, fails: [1002] },
    { send: [next("fragment1"), first("fragment2", { fin: true })], fails: [1002] },
    { send: [next("fragment1", true), first("fragment2", { fin: true })], fails: [1002] },
    { send: [first("fragment1"), first("fragment2")], fails: [1002] },
    { send: [...six.slice(0, 4), 200, ...six.slice(4)], see: [pong("pongme 1"), pong("pongme 2"), five] },
    { send: six, see: [pong("pongme 1"), pong("pongme 2"), five], chop: 1 },
  ]);
}

const VALID = Buffer.from("Hello-µ@ßöäüàá-UTF-8!!");
const GREEK = Buffer.from("κόσμε");

/** Whole, and in frames of one byte, and in writes of one byte. */
const utf8Ways = payload => [
  { send: frame(TEXT, payload) }, { send: [Buffer.concat(fragments(TEXT, payload, 1))] }, { send: frame(TEXT, payload), chop: 1 },
];
const valid = payloads => payloads.flatMap(payload => utf8Ways(payload).map(way => ({ ...way, see: [text(payload)] })));
const invalid = payloads => payloads.flatMap(payload => utf8Ways(payload).map(way => ({ ...way, fails: [1007] })));
const point = (...codes) => Buffer.from(String.fromCodePoint(...codes));

async function utf8(server) {
  const pieces = (...payloads) => [payloads.map((payload, at) => frame(at ? 0 : TEXT, payload, { fin: at === payloads.length - 1 }))].flat();
  await group(server, "6.1", "empty text and fragments", [
    { send: frame(TEXT), see: [text("")] },
    { send: pieces("", "", ""), see: [text("")] },
    { send: pieces("", "middle frame payload", ""), see: [text("middle frame payload")] },
  ]);
  await group(server, "6.2", "valid text in fragments", [
    { send: frame(TEXT, VALID), see: [text(VALID)] },
    { send: pieces(VALID.subarray(0, 9), VALID.subarray(9)), see: [text(VALID)] },
    { send: fragments(TEXT, VALID, 1), see: [text(VALID)] },
    { send: fragments(TEXT, GREEK, 1), see: [text(GREEK)] },
  ]);
  const bad = Buffer.concat([GREEK, hex("ed a0 80"), Buffer.from("edited")]);
  await group(server, "6.3", "invalid text in fragments", [{ send: frame(TEXT, bad), fails: [1007] }, { send: fragments(TEXT, bad, 1), fails: [1007] }]);

  // Fail fast: what is behind the impossible byte is never sent.
  const begun = (...payloads) => payloads.flatMap((payload, at) => [frame(at ? 0 : TEXT, payload, { fin: false }), 50]);
  const long = frame(TEXT, Buffer.concat([GREEK, hex("f4 90 80 80"), Buffer.from("edited")]), { key: Buffer.alloc(4) });
  const head = 6 + GREEK.length;
  await group(server, "6.4", "invalid text fails at once", [
    { send: begun(GREEK, hex("f4 90 80 80")), fails: [1007] },
    { send: begun(Buffer.concat([GREEK, hex("f4")]), hex("90")), fails: [1007] },
    { send: [long.subarray(0, head), 50, long.subarray(head, head + 4)], fails: [1007] },
    { send: [long.subarray(0, head + 1), 50, long.subarray(head + 1, head + 2)], fails: [1007] },
    { send: begun(hex("e0"), "", hex("80")), fails: [1007] },
  ]);
  await group(server, "6.5", "valid sequences", valid([point(0x68, 0x65, 0x6c), hex("ce ba e1 bd b9 cf 83 ce bc ce b5"), hex("c3 bf"), hex("e2 82 ac"), hex("f0 9d 84 9e")]));
  const prefixes = Array.from({ length: GREEK.length }, (_, at) => GREEK.subarray(0, at + 1));
  const isWhole = bytes => { try { new TextDecoder("utf-8", { fatal: true }).decode(bytes); return true; } catch { return false; } };
  await group(server, "6.6", "all prefixes of a text", prefixes.flatMap(prefix => (isWhole(prefix) ? valid : invalid)([prefix])));
  await group(server, "6.7", "the first character of each length", valid([point(0), point(0x80), point(0x800), point(0x10000)]));
  await group(server, "6.8", "the first of five and six bytes", invalid([hex("f8 88 80 80 80"), hex("fc 84 80 80 80 80")]));
  await group(server, "6.9", "the last character of each length", valid([point(0x7f), point(0x7ff), point(0xffff), point(0x10ffff)]));
  await group(server, "6.10", "the last of four, five and six bytes", invalid([hex("f7 bf bf bf"), hex("fb bf bf bf bf"), hex("fd bf bf bf bf bf")]));
  await group(server, "6.11", "other borders", [...valid([point(0xd7ff), point(0xe000), point(0xfffd), point(0x10ffff)]), ...invalid([hex("f4 90 80 80")])]);
  const lone = Array.from({ length: 64 }, (_, at) => 0x80 + at);
  await group(server, "6.12", "continuation bytes alone", invalid([[0x80], [0xbf], ...[2, 3, 4, 5, 6].map(count => lone.slice(0, count)), lone].map(Buffer.from)));
  const starts = [[0xc0, 32], [0xe0, 16], [0xf0, 8], [0xf8, 4], [0xfc, 2]];
  await group(server, "6.13", "beginnings alone", invalid(starts.map(([byte, count]) => Buffer.from(Array.from({ length: count }, (_, at) => [byte + at, 0x20]).flat()))));
  const short = ["c0", "e0 80", "f0 80 80", "f8 80 80 80", "fc 80 80 80 80", "df", "ef bf", "f7 bf bf", "fb bf bf bf", "fd bf bf bf bf"].map(hex);
  await group(server, "6.14", "the last byte is missing", invalid(short));
  await group(server, "6.15", "many of them", invalid([Buffer.concat(short)]));
  await group(server, "6.16", "impossible bytes", invalid([hex("fe"), hex("ff"), hex("fe fe ff ff")]));
  await group(server, "6.17", "overlong slashes", invalid(["c0 af", "e0 80 af", "f0 80 80 af", "f8 80 80 80 af", "fc 80 80 80 80 af"].map(hex)));
  await group(server, "6.18", "the greatest overlong sequences", invalid(["c1 bf", "e0 9f bf", "f0 8f bf bf", "f8 87 bf bf bf", "fc 83 bf bf bf bf"].map(hex)));
  await group(server, "6.19", "overlong zeros", invalid(["c0 80", "e0 80 80", "f0 80 80 80", "f8 80 80 80 80", "fc 80 80 80 80 80"].map(hex)));
  await group(server, "6.20", "single surrogates", invalid(["ed a0 80", "ed ad bf", "ed ae 80", "ed af bf", "ed b0 80", "ed be 80", "ed bf bf"].map(hex)));
  const [high, low] = [["ed a0 80", "ed ad bf", "ed ae 80", "ed af bf"], ["ed b0 80", "ed bf bf"]];
  await group(server, "6.21", "paired surrogates", invalid(high.flatMap(one => low.map(other => hex(`${one} ${other}`)))));
  const planes = Array.from({ length: 17 }, (_, plane) => [point(plane * 0x10000 + 0xfffe), point(plane * 0x10000 + 0xffff)]);
  await group(server, "6.22", "non-characters", valid(planes.flat()));
  await group(server, "6.23", "specials", valid([0xfff9, 0xfffa, 0xfffb, 0xfffc, 0xfffd, 0xfffe, 0xffff].map(code => point(code))));
}

/** The client closes; what it sends behind that is nobody's, and nothing but a close comes back. */
const closesWith = (close, codes, { before = [], behind = [], see = [] } = {}) => async server => {
  const wire = await open(server, "/echo");
  await wire.send([...before, close, ...behind]);
  for (const { opcode, payload } of see) isMessage(await wire.next(), opcode, payload);
  await isClosed(wire, codes);
};

async function closeHandshakes(server) {
  const close = closing(1000);
  const big = star(256 * 1024);
  await group(server, "7.1", "what comes around a close", [
    closesWith(close, [1000], { before: [frame(TEXT, "Hello World!")], see: [text("Hello World!")] }),
    closesWith(close, [1000], { behind: [closing(1000)] }),
    closesWith(close, [1000], { behind: [frame(PING)] }),
    closesWith(close, [1000], { behind: [frame(TEXT, "Hello World!")] }),
    closesWith(close, [1000], { before: [frame(TEXT, "fragment1", { fin: false })], behind: [frame(0, "fragment2")] }),
    closesWith(close, [1000], { before: [frame(TEXT, big)], behind: [frame(PING)], see: [text(big)] }),
  ]);
  const reason = bytes => Buffer.concat([hex("03 e8"), bytes]);
  await group(server, "7.3", "payloads of a close", [
    closesWith(frame(CLOSE), [undefined]),
    closesWith(frame(CLOSE, hex("03")), [1002]),
    closesWith(frame(CLOSE, hex("03 e8")), [1000]),
    closesWith(closing(1000, "Hello World!"), [1000]),
    closesWith(closing(1000, star(123)), [1000]),
    closesWith(frame(CLOSE, reason(star(124))), [1002]),
  ]);
  await group(server, "7.5", "reasons that are not UTF-8", [
    closesWith(frame(CLOSE, reason(Buffer.concat([GREEK, hex("ed a0 80"), Buffer.from("edited")]))), [1007]),
    closesWith(frame(CLOSE, reason(hex("ce"))), [1007]),
  ]);
  const good = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999];
  await group(server, "7.7", "close codes that may be sent", good.map(code => closesWith(closing(code), [code])));
  const wrong = [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999];
  await group(server, "7.9", "close codes that may not", wrong.map(code => closesWith(closing(code), [1002])));
  await group(server, "7.13", "close codes out of all ranges", [5000, 65535].map(code => closesWith(closing(code), [1002])));
}

const KB = 1024, MB = 1024 * KB;

async function sizes(server) {
  const kinds = [[TEXT, star], [BINARY, noise]];
  const whole = [64 * KB, 256 * KB, MB, 4 * MB, 8 * MB, 16 * MB];
  const pieces = [64, 256, KB, 4 * KB, 16 * KB, 64 * KB, 256 * KB, MB, 4 * MB];
  for (const [kind, [opcode, make]] of kinds.entries()) {
    const name = kind ? "binary" : "text";
    const payloads = new Map([MB, 4 * MB, ...whole].map(bytes => [bytes, make(bytes)]));
    const see = bytes => [{ opcode, payload: payloads.get(bytes) }];
    await group(server, `9.${1 + kind}`, `${name} of 64 KB to 16 MB`, whole.map(bytes => ({ send: frame(opcode, payloads.get(bytes)), see: see(bytes) })));
    await group(server, `9.${3 + kind}`, `4 MB of ${name} in fragments of 64 B to 4 MB`, pieces.map(bytes => ({ send: [Buffer.concat(fragments(opcode, payloads.get(4 * MB), bytes))], see: see(4 * MB) })));
    await group(server, `9.${5 + kind}`, `1 MB of ${name} in writes of 64 B to 2 KB`, [64, 128, 256, 512, KB, 2 * KB].map(chop => ({ send: frame(opcode, payloads.get(MB)), see: see(MB), chop })));
    await group(server, `9.${7 + kind}`, `1,000 messages of ${name}, one by one`, [0, 16, 64, 256, KB, 4 * KB].map(bytes => async server => {
      const wire = await open(server, "/echo");
      const payload = make(bytes);
      for (let round = 0; round < 1000; round++) {
        await wire.send(frame(opcode, payload));
        isMessage(await wire.next(), opcode, payload);
      }
      await closes(wire);
    }));
  }
  await group(server, "10", "64 KB in fragments of 1,300 bytes", [{ send: fragments(TEXT, star(64 * KB), 1300), see: [text(star(64 * KB))] }]);
  await group(server, "11", "bounds", [
    { send: [Buffer.concat(fragments(BINARY, noise(64 * KB), 1))], see: [binary(noise(64 * KB))] },
    { send: [Buffer.concat([frame(TEXT, "", { fin: false }), ...Array(65_535).fill(frame(0, "", { fin: false })), frame(0, "end")])], see: [text("end")] },
    { send: frame(BINARY, Buffer.alloc(16 * MB)), see: [binary(Buffer.alloc(16 * MB))], chop: 64 * KB },
    { send: frame(BINARY, Buffer.alloc(16 * MB + 1)).subarray(0, 14), fails: [1009] },
    { send: [frame(TEXT, star(16 * MB), { fin: false }), frame(PING, "in between"), frame(0, "x")], see: [pong("in between")], fails: [1009] },
  ]);
}

/** All of them. */
export async function checkWebSocketCases(server) {
  await framing(server);
  await pings(server);
  await reserved(server);
  await fragmentation(server);
  await utf8(server);
  await closeHandshakes(server);
  await sizes(server);
}
