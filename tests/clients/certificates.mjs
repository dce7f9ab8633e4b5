// An authority of one run, and certificates of it, made by openssl.

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A folder with `ca.pem`, and a pair `NAME.pem`, `NAME.key` for each `{ NAME: kind of key }`; removed at the end. */
export function certificates(kinds = { ec: ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"] }) {
  const folder = mkdtempSync(join(tmpdir(), "encke-certificates-"));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  const at = name => join(folder, name);
  const openssl = (...args) => execFileSync("openssl", args, { stdio: "pipe" });
  openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=authority of a test",
    "-keyout", at("ca.key"), "-out", at("ca.pem"));
  for (const [name, kind] of Object.entries(kinds)) {
    openssl("req", "-x509", ...kind, "-nodes", "-days", "2", "-subj", "/CN=localhost", "-CA", at("ca.pem"), "-CAkey", at("ca.key"),
      "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE",
      "-keyout", at(`${name}.key`), "-out", at(`${name}.pem`));
  }
  const pair = name => ["--tls-cert", at(`${name}.pem`), "--tls-key", at(`${name}.key`)];
  return { folder, ca: at("ca.pem"), at, args: Object.keys(kinds).flatMap(pair) };
}
