// A server of the `ws` package, as its own documentation would write one: what is said on /echo comes back,
// what is said anywhere else goes to all who are not on /echo. Tells its address when it is there.

import { createServer } from "node:http";
import { WebSocketServer } from "ws";

// Without compression, as encke and nchan are; the other settings are the package's own.
const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false, clientTracking: false });
const subscribers = new Set();

function echo(socket) {
  socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
}

function subscribe(socket) {
  subscribers.add(socket);
  socket.on("close", () => subscribers.delete(socket));
  socket.on("message", (data, isBinary) => {
    for (const subscriber of subscribers) subscriber.send(data, { binary: isBinary });
  });
}

const server = createServer((_, response) => response.writeHead(426).end());
server.on("upgrade", (request, socket, head) => {
  sockets.handleUpgrade(request, socket, head, accepted => {
    accepted.on("error", () => {}); // a client that breaks off; "close" follows
    (request.url === "/echo" ? echo : subscribe)(accepted);
  });
});
server.listen({ port: 0, host: "127.0.0.1", backlog: 1_024 }, () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});
