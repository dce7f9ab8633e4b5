// A TCP proxy that can be told to misbehave as proxies do, and to cut every connection.

import net from "node:net";

/** `ways.refuses`: answers every upgrade with 502. `ways.buffers`: keeps event streams to itself. */
export async function startProxy(target) {
  const ways = {}, sockets = new Set(), { port } = new URL(target);
  const listener = net.createServer(client => {
    const server = net.connect(port, "127.0.0.1");
    let holds = false;
    for (const socket of [client, server]) {
      sockets.add(socket);
      socket.on("error", () => {}).on("close", () => { sockets.delete(socket); client.destroy(); server.destroy(); });
    }
    client.on("data", bytes => {
      if (ways.refuses && /\r\nupgrade: websocket/i.test(bytes)) {
        client.end("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
      } else server.write(bytes);
    });
    server.on("data", bytes => {
      holds ||= ways.buffers && /\r\ncontent-type: text\/event-stream/i.test(bytes);
      if (!holds) client.write(bytes);
    });
  });
  await new Promise(ready => listener.listen(0, "127.0.0.1", ready));
  const cut = () => sockets.forEach(socket => socket.destroy());
  return { ways, cut, host: `127.0.0.1:${listener.address().port}`, stop: () => { listener.close(); cut(); } };
}
