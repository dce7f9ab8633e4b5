// Runs each row against each server in turns, and prints what it cost them. See `run` for how to start it.

import { execFile } from "node:child_process";
import { cpus, release } from "node:os";
import { promisify } from "node:util";
import { servers, versions } from "./servers.mjs";

const given = process.argv.slice(2);
const isTiny = given.includes("--tiny");
const cyclesAt = given.indexOf("--cycles");
const cycles = cyclesAt >= 0 ? Number(given[cyclesAt + 1]) : isTiny ? 1 : 5;
const word = given.find((one, at) => !one.startsWith("--") && given[at - 1] !== "--cycles") ?? "";

// What is asked of encke-bench, and of whom not. Memory is that of a fresh server and much the same each time;
// processor time is not, so it has more cycles. A rate gives all servers the same work in the same time.
const memory = { unit: "B", figure: result => result.per_connection.uss, cycles: Math.min(cycles, 3), isFresh: true };
const cpu = { unit: "µs", figure: result => result.server.cpu_us_per_operation, cycles };
const rows = [
  { ...memory, name: "memory: WebSocket", scheme: "ws", args: ["density", "-n", "10000"] },
  { ...memory, name: "memory: event stream", scheme: "http", args: ["density", "-n", "10000"], not: ["ws"] },
  { ...memory, name: "memory: parked poll", scheme: "http", args: ["density", "-n", "10000", "--transport", "poll"], not: ["ws"] },
  { ...cpu, name: "CPU: delivery, WebSocket", scheme: "ws", args: ["fanout", "-n", "1000", "--rate", "20"] },
  { ...cpu, name: "CPU: delivery, event stream", scheme: "http", args: ["fanout", "-n", "1000", "--rate", "20"], not: ["ws"] },
  { ...cpu, name: "CPU: poll, release and park", scheme: "http", args: ["poll", "-n", "500", "--rate", "10"], not: ["ws"] },
  { ...cpu, name: "CPU: echo", scheme: "ws", args: ["echo", "-n", "100", "--rate", "4000"], path: { ws: "/echo" }, not: ["nchan"] },
  { ...cpu, name: "CPU: echo over a channel", scheme: "ws", args: ["echo", "-n", "100", "--rate", "2000"],
    path: { encke: "/channels/own{i}", nchan: "/both/own{i}" }, not: ["ws"] },
  { ...cpu, name: "CPU: connect, subscribe, close", scheme: "ws", args: ["churn", "-n", "32", "--rate", "500"] },
];

function argumentsOf(row) {
  const pace = row.args[0] === "density" ? ["--steps", "1", "--hold", "0"] : ["--warmup", "0.5", "--duration", "1.5"];
  const tiny = { "-n": "50", "--rate": "10", "--duration": "0.5" };
  return [...row.args, ...pace].map((one, at, all) => isTiny && tiny[all[at - 1]] || one);
}

const warned = new Map(); // what encke-bench warned of, without its figures: in which runs
let runs = 0;

async function measure(row, name, server) {
  const [command, ...options] = argumentsOf(row);
  const url = `${row.scheme}://${server.address}${row.path?.[name] ?? ""}`;
  const args = [command, url, ...options, "--preset", name, "--pid", String(server.pid), "--json", "--quiet"];
  const { stdout } = await promisify(execFile)(process.env.ENCKE_BENCH, args);
  const result = JSON.parse(stdout);
  runs++;
  for (const warning of result.warnings) {
    const what = warning.split(/[:;]/)[0].replaceAll(/\b\d+ (?!s\b)/g, "some ");
    warned.set(what, [...warned.get(what) ?? [], `${row.name}, ${name}`]);
  }
  const figure = row.figure(result);
  if (figure === null) throw new Error(`${row.name}, ${name}: ${result.warnings.join("; ")}`);
  return figure;
}

/** Figures by row and server; a ratio is of two figures of one cycle. */
async function measureAll(rows) {
  const figures = new Map(rows.map(row => [row, Object.fromEntries(Object.keys(servers).map(name => [name, []]))]));
  const kept = {}; // warm from the second cycle on, as servers are
  for (let cycle = 0; cycle < cycles; cycle++) {
    process.stderr.write(`cycle ${cycle + 1} of ${cycles}\n`);
    for (const row of rows) {
      if (cycle >= row.cycles) continue;
      for (const name of Object.keys(servers)) {
        if (row.not?.includes(name)) continue;
        const server = row.isFresh ? await servers[name]() : kept[name] ??= await servers[name]();
        figures.get(row)[name].push(await measure(row, name, server));
        if (row.isFresh) await server.stop();
      }
    }
  }
  for (const server of Object.values(kept)) await server.stop();
  return figures;
}

/** Where it was most often. */
function often(where) {
  const counts = [...new Set(where)].map(one => [where.filter(other => other === one).length, one]);
  const [count, one] = counts.sort((a, b) => b[0] - a[0])[0];
  return `${count} of them: ${one}`;
}

function spread(samples) {
  const sorted = samples.toSorted((a, b) => a - b);
  const middle = (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
  return { least: sorted[0], median: middle, most: sorted.at(-1) };
}

function rounded(number) {
  return number >= 100 ? number.toFixed(0) : number >= 10 ? number.toFixed(1) : number.toFixed(2);
}

/** So few connections for so short a time say nothing but that all of it works. */
function printWhoWorks(figures) {
  console.log("tiny: everything works, and nothing was measured");
  for (const [row, byName] of figures) {
    const names = Object.keys(byName).filter(name => byName[name].length > 0);
    console.log(`${row.name.padEnd(32)} ${names.join(", ")}`);
  }
}

function print(figures) {
  console.log(`${"median of what one costs".padEnd(32)} ${"server".padEnd(6)} ${"cost".padStart(10)}    × encke (least to most)`);
  for (const [row, byName] of figures) {
    for (const [name, samples] of Object.entries(byName)) {
      if (samples.length === 0) continue;
      const cost = `${rounded(spread(samples).median)} ${row.unit}`;
      const ratio = spread(samples.map((sample, cycle) => sample / byName.encke[cycle]));
      const text = name === "encke" ? "" : `${rounded(ratio.median)} (${rounded(ratio.least)} to ${rounded(ratio.most)})`;
      console.log(`${(name === "encke" ? row.name : "").padEnd(32)} ${name.padEnd(6)} ${cost.padStart(10)}    ${text}`.trimEnd());
    }
  }
}

const wanted = rows.filter(row => row.name.includes(word));
if (wanted.length === 0 || !(cycles >= 1)) {
  console.error(`usage: benches/peers/run [--tiny] [--cycles N] [WORD]; rows:\n${rows.map(row => `  ${row.name}`).join("\n")}`);
  process.exit(2);
}
const began = Date.now();
try {
  const figures = await measureAll(wanted);
  console.log(`${versions().join(", ")}; ${cpus().length} × ${cpus()[0].model.trim()}, Linux ${release()}`);
  if (isTiny) printWhoWorks(figures);
  else {
    print(figures);
    for (const [what, where] of warned) console.log(`NOTE in ${where.length} of ${runs} runs: ${what} (${often(where)})`);
  }
  console.log(`took ${Math.round((Date.now() - began) / 1_000)} s, ${cycles} cycles (memory: ${memory.cycles})`);
} catch (error) {
  console.error((error.stderr || error.message).trim());
  process.exit(1);
}
process.exit(0);
