// What the checks of clients share: their count, patience, programs that run, subscribers that hear.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";

const patience = 15_000; // ms, for anything that is awaited
export const count = { passed: 0, failed: 0 };
process.setMaxListeners(0);

export async function check(name, run) {
  try {
    await run();
    count.passed++;
    console.log(`ok      ${name}`);
  } catch (error) {
    count.failed++;
    console.log(`FAILED  ${name}\n        ${String(error.stack ?? error).replaceAll("\n", "\n        ")}`);
  }
}

/** What comes before a group's first check can fail as well. */
export async function group(name, run) {
  try { await run(); } catch (error) { await check(name, () => { throw error; }); }
}

export function within(promise, what, ms = patience) {
  let timer;
  const late = new Promise((_, fail) => { timer = setTimeout(() => fail(new Error(`waited in vain for ${what()}`)), ms); });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** A program whose output can be awaited piece by piece. */
export function program(command, args, { env = {}, cwd } = {}) {
  const child = spawn(command, args, { cwd, env: { ...process.env, ...env } });
  process.on("exit", () => child.kill());
  const self = { child, out: "", err: "", read: 0 };
  let wake = () => {};
  child.stdout.setEncoding("utf8").on("data", text => { self.out += text; wake(); });
  child.stderr.setEncoding("utf8").on("data", text => { self.err += text; wake(); });
  child.stdin.on("error", () => {});
  const closed = once(child, "close").then(([code]) => { self.code = code; self.over = true; wake(); }, error => { self.err += error; self.over = true; wake(); });
  /** The next match of `pattern` behind what was matched before. */
  self.sees = pattern => self.shows(() => {
    const match = self.out.slice(self.read).match(pattern);
    if (match) self.read += match.index + match[0].length;
    return match;
  }, pattern);
  self.warns = pattern => self.shows(() => self.err.match(pattern), pattern);
  self.shows = (found, what) => within((async () => {
    for (;;) {
      const match = found();
      if (match) return match;
      if (self.over) throw new Error(`${command} ended without ${what}: ${self.out}${self.err}`);
      await new Promise(again => { wake = again; });
    }
  })(), () => `${what} from ${command}: ${self.out}${self.err}`);
  self.ends = ms => within(closed, () => `the end of ${command}: ${self.out}${self.err}`, ms).then(() => self);
  self.stop = () => { child.kill(); return closed; };
  return self;
}
export const curl = (...args) => program("curl", ["-sS", "-N", "--max-time", "120", ...args]);
export const done = async running => {
  await running.ends();
  assert.equal(running.code, 0, running.err);
  return running.out;
};

/** A subscriber by curl: the objects of the endless stream, one after the other. */
export async function subscriber(server, channel) {
  const stream = curl("-v", `${server.url}/channels/${channel}?transport=stream`);
  await stream.warns(/^< HTTP\/1\.1 200/m); // curl -i would keep the head back until the first line
  return {
    next: async () => JSON.parse((await stream.sees(/^(\{.*\})\r?$/m))[1]),
    stop: stream.stop,
  };
}

