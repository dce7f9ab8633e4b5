// Says the outcome of checks in lines that programs.mjs reads, and has what programs for Node share.

import assert from "node:assert/strict";

let checks = 0, failures = 0;

export async function check(name, run) {
  checks++;
  try {
    await run();
    console.log(`ok ${checks} - ${name}`);
  } catch (error) {
    failures++;
    console.log(`not ok ${checks} - ${name}\n${String(error.stack ?? error).slice(0, 2000).replace(/^/gm, "# ")}`);
  }
}

/** `promise` must be refused with this number. */
export const fails = (number, promise) => assert.rejects(promise, error => {
  assert.equal(error.errno, number, error.message);
  return true;
});

export function done() {
  console.log(`1..${checks}`);
  process.exit(failures ? 1 : 0); // what a failed check has left open would wait for ever
}

export const texts = process.env.TEXTS.split(" ").map(text => Buffer.from(text, "base64").toString());
export const name = process.env.NAME;
export const server = { host: process.env.COMETQL_HOST, port: Number(process.env.COMETQL_PORT), database: "CometQL_v1", charset: "utf8mb4" };
export const account = { user: process.env.COMETQL_LOGIN, password: process.env.COMETQL_PASSWORD };
export const shop = { user: process.env.COMETQL_SHOP_LOGIN, password: process.env.COMETQL_SHOP_PASSWORD };
export const INSERT = "INSERT INTO pipes_messages (name, event, message) VALUES (?, ?, ?)";
