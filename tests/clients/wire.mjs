// A WebSocket client that hides nothing: frames go out as they are given, valid or not, and come back one by one.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect } from "node:net";
import { within } from "./harness.mjs";

export const TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10;

/** One frame of a client. `rsv`: 0 to 7. */
export function frame(opcode, payload = "", { fin = true, rsv = 0, key = randomBytes(4) } = {}) {
  const data = Buffer.from(payload);
  const first = (fin ? 0x80 : 0) | rsv << 4 | opcode;
  let head;
  if (data.length < 126) {
    head = Buffer.from([first, 0x80 | data.length]);
  } else if (data.length < 65536) {
    head = Buffer.from([first, 0x80 | 126, data.length >> 8, data.length & 255]);
  } else {
    head = Buffer.alloc(10);
    head.writeUInt16BE(first << 8 | 0x80 | 127);
    head.writeBigUInt64BE(BigInt(data.length), 2);
  }
  for (let at = 0; at < data.length; at++) data[at] ^= key[at & 3];
  return Buffer.concat([head, key, data]);
}

/** A message in fragments of so many bytes. `first` is the opcode. */
export function fragments(first, payload, bytes, { rsv = 0 } = {}) {
  const frames = [];
  for (let at = 0; at === 0 || at < payload.length; at += bytes) {
    const piece = payload.subarray(at, at + bytes);
    const fin = at + bytes >= payload.length;
    frames.push(frame(at === 0 ? first : 0, piece, { fin, rsv: at === 0 ? rsv : 0 }));
  }
  return frames;
}

export const closing = (code, reason = "") => {
  const payload = Buffer.from(`  ${reason}`);
  payload.writeUInt16BE(code);
  return frame(CLOSE, payload);
};

/** Opens a WebSocket and resolves to what can be sent and seen. `answer` is the head of the response. */
export async function open(server, path, headers = []) {
  const { hostname, port } = new URL(server.url);
  const socket = connect({ host: hostname, port: Number(port), noDelay: true });
  const self = { socket, seen: [], answer: "", ended: undefined };
  let wake = () => {}, pending = [], size = 0, needed = 1;
  const take = () => {
    let bytes = Buffer.concat(pending);
    if (!self.answer) {
      const end = bytes.indexOf("\r\n\r\n");
      if (end < 0) return bytes;
      self.answer = bytes.subarray(0, end + 2).toString("latin1");
      bytes = bytes.subarray(end + 4);
      if (!self.answer.startsWith("HTTP/1.1 101 ")) needed = Infinity;
    }
    for (;;) {
      if (bytes.length < 2) return bytes;
      const short = bytes[1] & 127;
      const head = 2 + (short === 126 ? 2 : short === 127 ? 8 : 0);
      if (bytes.length < head) { needed = head; return bytes; }
      const length = head === 2 ? short : head === 4 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
      if (bytes.length < head + length) { needed = head + length; return bytes; }
      const payload = bytes.subarray(head, head + length);
      if (bytes[0] === (0x80 | PING)) socket.write(frame(PONG, payload)); // a heartbeat: the test was slow
      else self.seen.push({ opcode: bytes[0] & 15, rsv: bytes[0] >> 4 & 7, fin: bytes[0] >> 7 === 1, masked: bytes[1] >> 7 === 1, payload });
      bytes = bytes.subarray(head + length);
      needed = 1;
    }
  };
  socket.on("data", chunk => {
    pending.push(chunk);
    size += chunk.length;
    if (size < needed) return;
    const rest = take();
    pending = rest.length ? [rest] : [];
    size = rest.length;
    wake();
  });
  socket.on("end", () => { self.ended ??= "FIN"; wake(); });
  socket.on("error", error => { self.ended ??= error.code; wake(); });
  socket.on("close", () => { self.ended ??= "closed"; wake(); });
  const until = (found, what, ms) => within((async () => {
    for (;;) {
      const result = found();
      if (result !== undefined) return result;
      await new Promise(again => { wake = again; });
    }
  })(), () => what, ms);

  /** Sends all of it, in writes of so many bytes if that is said; waits where the kernel is full. */
  self.send = async (parts, { chop } = {}) => {
    for (const part of [parts].flat()) {
      for (let at = 0; at < part.length; at += chop ?? part.length) {
        if (socket.destroyed) return;
        const piece = part.subarray(at, at + (chop ?? part.length));
        if (!socket.write(piece)) await Promise.race([once(socket, "drain"), once(socket, "close")]);
      }
    }
  };
  /** The next frame; fails if the connection ends before. */
  self.next = (ms = 60_000) => until(() => {
    if (self.seen.length) return self.seen.shift();
    if (self.ended) throw new Error(`the connection ended (${self.ended}) before a frame came`);
  }, "a frame", ms);
  /** How the server ended the connection. */
  self.end = (ms = 1_000) => until(() => self.ended, "the server to close TCP", ms);
  const lines = [
    `GET ${path} HTTP/1.1`, `Host: ${hostname}:${port}`, "Upgrade: websocket", "Connection: Upgrade",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13", ...headers, "", "",
  ];
  socket.write(lines.join("\r\n"));
  await until(() => self.answer || (self.ended && "nothing") || undefined, "an answer to the handshake");
  return self;
}

/** The frame must be this message; long ones are compared without being printed. */
export function isMessage(seen, opcode, payload) {
  const expected = Buffer.from(payload);
  assert.deepEqual([seen.opcode, seen.rsv, seen.fin, seen.masked, seen.payload.length], [opcode, 0, true, false, expected.length]);
  assert.ok(seen.payload.equals(expected), "the bytes differ");
}

/** The server must close with one of these codes, and then close TCP: the next thing that is seen. */
export async function isClosed(wire, codes) {
  const { opcode, payload, fin, rsv } = await wire.next(5_000);
  assert.deepEqual([opcode, fin, rsv], [CLOSE, true, 0]);
  const code = payload.length ? payload.readUInt16BE() : undefined;
  assert.ok(codes.includes(code), `close code ${code}, not ${codes}`);
  new TextDecoder("utf-8", { fatal: true }).decode(payload.subarray(2));
  assert.equal(await wire.end(), "FIN");
  assert.equal(wire.seen.length, 0, "nothing comes behind the close frame");
  wire.socket.destroy();
}

/** Closes as a client does, and sees it closed. */
export async function closes(wire) {
  await wire.send(closing(1000));
  await isClosed(wire, [1000]);
}
