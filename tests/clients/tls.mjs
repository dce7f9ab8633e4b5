// Clients that speak TLS: curl, openssl, Python, Node, the mariadb command line and PHP.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import https from "node:https";
import { certificates } from "./certificates.mjs";
import { publish, startServer } from "./encke.mjs";
import { check, curl, done, program, within } from "./harness.mjs";

const EC = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
const request = "GET /info HTTP/1.1\r\nHost: localhost\r\n\r\n";

/** A client of openssl that has its handshake behind it. */
async function sClient(server, ca, ...args) {
  const { port } = new URL(server.secure);
  const client = program("openssl", ["s_client", "-connect", `127.0.0.1:${port}`, "-servername", "localhost", "-CAfile", ca,
    "-verify_return_error", ...args]);
  await client.sees(/Verify return code: 0/);
  return client;
}

async function checkCurl(server, ca) {
  const safe = (...args) => curl("--cacert", ca, ...args);
  const url = `${server.secure}/channels/t`;
  for (const version of ["1.2", "1.3"]) {
    await check(`curl over TLS ${version}: publishes, reads SSE, is told of a wrong path`, async () => {
      const only = ["--tls-max", version, `--tlsv${version}`];
      const sse = safe(...only, "-i", "-H", "Accept: text/event-stream", url);
      await sse.sees(/content-type: text\/event-stream/i);
      assert.equal(JSON.parse(await done(safe(...only, "-d", `by TLS ${version}`, url))).subscribers, 1);
      await sse.sees(new RegExp(`data: ?by TLS ${version}`));
      await publish(server, "t", "from the plain port");
      await sse.sees(/data: ?from the plain port/);
      await sse.stop();
      assert.match(await done(safe(...only, "-i", `${server.secure}/nowhere`)), /^HTTP\/1\.1 404/);
    });
  }
  await check("curl that would speak HTTP/2 speaks HTTP/1.1", async () => {
    assert.match(await done(safe("--http2", "-i", `${server.secure}/info`)), /^HTTP\/1\.1 200/);
  });
  await check("curl sends 100 KB in a request and gets them back from the history", async () => {
    const data = "x".repeat(100_000);
    const post = safe("--data-binary", "@-", `${server.secure}/channels/large`);
    post.child.stdin.end(data);
    await done(post);
    assert.equal(JSON.parse(await done(safe(`${server.secure}/channels/large`)))[0].data, data);
  });
  await check("curl without the authority refuses, and the server goes on", async () => {
    const stranger = await curl(`${server.secure}/info`).ends();
    assert.equal(stranger.code, 60, stranger.err);
    await done(safe("-f", `${server.secure}/info`));
  });
  await check("curl that forgot the s is told", async () => {
    const answer = await done(curl("-i", server.secure.replace("https", "http")));
    assert.match(answer, /^HTTP\/1\.1 400 [^]*https:\/\//);
  });
}

async function checkOpenssl(server, ca) {
  for (const [name, ...args] of [
    ["TLS 1.3, AES-256", "-tls1_3", "-ciphersuites", "TLS_AES_256_GCM_SHA384"],
    ["TLS 1.3, AES-128", "-tls1_3", "-ciphersuites", "TLS_AES_128_GCM_SHA256"],
    ["TLS 1.3, ChaCha20", "-tls1_3", "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"],
    ["TLS 1.2, AES-128", "-tls1_2", "-cipher", "ECDHE+AES128"],
    ["TLS 1.2, ChaCha20", "-tls1_2", "-cipher", "ECDHE+CHACHA20"],
    ["the key of RSA", "-tls1_2", "-cipher", "ECDHE-RSA-AES256-GCM-SHA384"],
  ]) {
    await check(`openssl s_client: ${name}`, async () => {
      const client = await sClient(server, ca, ...args);
      for (let i = 0; i < 3; i++) {
        client.child.stdin.write(request);
        await client.sees(/HTTP\/1\.1 200 OK/);
      }
      await client.stop();
    });
  }
  await check("openssl s_client comes back with a ticket, in both versions", async () => {
    for (const version of ["-tls1_3", "-tls1_2"]) {
      const file = `${ca}${version}`;
      const first = await sClient(server, ca, version, "-sess_out", file);
      first.child.stdin.write(request);
      await first.sees(/HTTP\/1\.1 200 OK/);
      await first.stop();
      const second = await sClient(server, ca, version, "-sess_in", file);
      assert.match(second.out, /^Reused, /m, version);
      await second.stop();
    }
  });
  await check("openssl s_client changes keys, alone and with the server, amid a conversation", async () => {
    const client = await sClient(server, ca, "-tls1_3");
    for (const command of ["k\n", "K\n", "K\n", "k\n"]) {
      client.child.stdin.write(command);
      await client.shows(() => client.err.match(/KEYUPDATE/) ?? client.out.match(/KEYUPDATE/), "KEYUPDATE");
      await new Promise(later => setTimeout(later, 50)); // it reads commands only where a read of its input begins
      client.child.stdin.write(request);
      await client.sees(/HTTP\/1\.1 200 OK/);
    }
    await client.stop();
  });
  await check("openssl s_client with a version or a protocol that is too old gets an alert", async () => {
    const { port } = new URL(server.secure);
    for (const args of [["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], ["-alpn", "h2"]]) {
      const client = await program("openssl", ["s_client", "-connect", `127.0.0.1:${port}`, ...args]).ends();
      assert.match(client.out + client.err, /alert (protocol version|handshake failure|no application protocol)/, args.join(" "));
    }
  });
}

async function checkPython(server, ca) {
  await check("Python's ssl: a request, and an end that both sides say", async () => {
    const code = `
import socket, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[1])
with socket.create_connection(("127.0.0.1", int(sys.argv[2]))) as plain:
    with context.wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False) as safe:
        safe.sendall(b"GET /info HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n")
        text = b""
        while chunk := safe.recv(4096): text += chunk
        print(safe.version(), text.split(b"\\r\\n")[0].decode())
        safe.unwrap()
`;
    const { port } = new URL(server.secure);
    assert.equal(await done(program("python3", ["-c", code, ca, port])), "TLSv1.3 HTTP/1.1 200 OK\n");
  });
}

async function checkNode(server, ca) {
  const get = (path, options) => within(new Promise((ready, failed) => {
    https.get(`${server.secure}${path}`, options, ready).on("error", failed);
  }), () => path);
  await check("Node's https: with the authority, and without asking who it is", async () => {
    for (const options of [{ ca: readFileSync(ca) }, { rejectUnauthorized: false }]) {
      const answer = await get("/info", { ...options, agent: new https.Agent() });
      assert.equal(answer.statusCode, 200);
      answer.resume();
    }
  });
  await check("Node's https: a WebSocket that echoes 1 MB", async () => {
    const headers = { Connection: "Upgrade", Upgrade: "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==" };
    const upgrade = https.request(`${server.secure}/echo`, { headers, rejectUnauthorized: false, agent: new https.Agent() });
    const socket = await within(new Promise((ready, failed) => {
      upgrade.on("upgrade", (_, socket) => ready(socket)).on("error", failed).end();
    }), () => "101");
    const length = 1 << 20;
    const head = Buffer.from([0x82, 0xff, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0]); // masked with zeros
    socket.write(Buffer.concat([head, Buffer.alloc(length, "y")]));
    let got = 0;
    await within((async () => { for await (const chunk of socket) { got += chunk.length; if (got === length + 10) return; } })(), () => `${got} bytes`);
    socket.destroy();
  });
}

async function checkBackEnds(server, ca) {
  await check("mariadb --ssl checks the certificate and publishes", async () => {
    const args = ["--no-defaults", "--protocol=tcp", "--host=127.0.0.1", `--port=${server.sqlPort}`, "--user=15", "--ssl", `--ssl-ca=${ca}`,
      "--ssl-verify-server-cert"];
    const sse = curl("-H", "Accept: text/event-stream", `${server.url}/channels/m_tls`);
    await sse.sees(/id: /);
    const sql = "INSERT INTO pipes_messages (name, event, message) VALUES ('m_tls', '', 'inside TLS'); \\s";
    const out = await done(program("mariadb", [...args, "-e", sql, "CometQL_v1"]));
    assert.match(out, /Cipher in use is TLS_AES_256_GCM_SHA384/);
    await sse.sees(/data: ?inside TLS/);
    await sse.stop();
  });
  await check("mariadb that does not ask for TLS is let in without", async () => {
    const args = ["--no-defaults", "--protocol=tcp", "--host=127.0.0.1", `--port=${server.sqlPort}`, "--user=15", "--skip-ssl"];
    assert.match(await done(program("mariadb", [...args, "-e", "\\s", "CometQL_v1"])), /SSL:\s+Not in use/);
  });
  await check("PHP's mysqli and PDO over TLS", async () => {
    const code = `
mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
[$port, $ca] = array_map('getenv', ['PORT', 'CA']);
$link = mysqli_init();
mysqli_ssl_set($link, null, null, $ca, null, null);
mysqli_real_connect($link, '127.0.0.1', '15', '', 'CometQL_v1', (int) $port, null, MYSQLI_CLIENT_SSL);
echo mysqli_fetch_row(mysqli_query($link, "SELECT 'mysqli'"))[0], ' ';
for ($i = 0; $i < 50; $i++) mysqli_query($link, "INSERT INTO pipes_messages (name, event, message) VALUES ('php_tls', '', '" . str_repeat('z', 5000) . "')");
$pdo = new PDO("mysql:host=127.0.0.1;port=$port;dbname=CometQL_v1", '15', '', [PDO::MYSQL_ATTR_SSL_CA => $ca]);
echo $pdo->query("SELECT 'PDO'")->fetchColumn();
`;
    const php = program("php", ["-r", code], { env: { PORT: String(server.sqlPort), CA: ca } });
    assert.equal(await done(php), "mysqli PDO");
  });
}

export async function checkTls() {
  const { ca, args } = certificates({ ec: EC, rsa: ["-newkey", "rsa:2048"] });
  const server = await startServer({ args: ["--https", "127.0.0.1:0", "--echo", "/echo", ...args] });
  await checkCurl(server, ca);
  await checkOpenssl(server, ca);
  await checkPython(server, ca);
  await checkNode(server, ca);
  await checkBackEnds(server, ca);
  await check("the server with TLS ends with 0 at SIGTERM", async () => assert.equal(await server.stop(), 0));
}
