"""HTTP/1.1 by h11, which refuses whatever RFC 9112 does not allow a server to say. Run by http.mjs."""

import os
import socket
from urllib.parse import urlsplit

import h11

from tap import check, done, same

url = urlsplit(os.environ["ENCKE_URL"])


class Client:
    """One connection, of which nothing is understood but by h11."""

    def __init__(self):
        self.socket = socket.create_connection((url.hostname, url.port), timeout=15)
        self.http = h11.Connection(our_role=h11.CLIENT)

    def send(self, method, target, headers=(), body=None, ends=True):
        named = [("Host", url.netloc), *headers]
        self.say(h11.Request(method=method, target=target, headers=named))
        for piece in body or ():
            self.say(h11.Data(data=piece))
        if ends:
            self.say(h11.EndOfMessage())

    def say(self, event):
        self.socket.sendall(self.http.send(event) or b"")

    def event(self):
        while (event := self.http.next_event()) is h11.NEED_DATA:
            self.http.receive_data(self.socket.recv(65536))
        return event

    def answer(self):
        """The head and the body of a whole answer."""
        head, body = self.event(), b""
        while not isinstance(event := self.event(), h11.EndOfMessage):
            if isinstance(event, h11.ConnectionClosed):
                raise AssertionError("closed within an answer")
            body += event.data
        return head, body

    def ask(self, *args, **named):
        self.send(*args, **named)
        answer = self.answer()
        if self.http.our_state is h11.DONE and self.http.their_state is h11.DONE:
            self.http.start_next_cycle()
        return answer


def header(head, name):
    values = [value.decode() for known, value in head.headers if known == name.encode()]
    return values[0] if values else None


@check("every method on every address is answered as HTTP has it")
def _():
    client = Client()
    for target in ["/", "/info", "/stats", "/metrics", "/channels", "/channels/h", "/dashboard", "/nothing", "/CometServerApi.js"]:
        for method in ["GET", "HEAD", "OPTIONS", "DELETE", "TRACE"]:
            head, body = client.ask(method, target)
            assert header(head, "date"), (method, target)
            if method == "HEAD":
                same(body, b"")
            if head.status_code == 405:
                assert method not in header(head, "allow"), (method, target)
            if client.http.our_state is not h11.IDLE:
                client = Client()
    same(client.ask("OPTIONS", "*")[0].status_code, 204)


@check("a body in chunks, with a pause for 100 Continue, and another request behind it")
def _():
    client = Client()
    headers = [("Transfer-Encoding", "chunked"), ("Expect", "100-continue")]
    client.send("POST", "/channels/h", headers, ends=False)
    same(client.event().status_code, 100)
    for piece in [b"one, ", b"two, ", b"three"]:
        client.say(h11.Data(data=piece))
    client.say(h11.EndOfMessage(headers=[("X-Trailer", "ignored")]))
    same(client.answer()[0].status_code, 200)
    client.http.start_next_cycle()
    head, body = client.ask("GET", "/channels/h?last=1")
    assert b"one, two, three" in body, body
    tag = header(head, "etag")
    head, body = client.ask("GET", "/channels/h?transport=poll&wait=0", [("If-None-Match", tag)])
    same((head.status_code, body, header(head, "etag")), (304, b"", tag))


@check("a stream of chunks, and one that the end of the connection ends")
def _():
    for transport, coding in [("stream", "chunked"), ("sse", None)]:
        client = Client()
        client.send("GET", f"/channels/s?transport={transport}")
        same(header(client.event(), "transfer-encoding"), coding)
        same(Client().ask("POST", "/channels/s", [("Content-Length", "5")], [b"hello"])[0].status_code, 200)
        seen = b""
        while b"hello" not in seen:
            seen += client.event().data


@check("HTTP/1.0 has whole answers")
def _():
    client = Client()
    client.socket.sendall(b"GET /info HTTP/1.0\r\n\r\n")
    client.http.send(h11.Request(method="GET", target="/info", headers=[("Host", "x"), ("Connection", "close")]))
    client.http.send(h11.EndOfMessage())
    head, body = client.answer()
    same((head.status_code, header(head, "connection")), (200, "close"))
    assert isinstance(client.event(), h11.ConnectionClosed)


@check("an upgrade switches protocols")
def _():
    client = Client()
    headers = [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"),
               ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")]
    client.send("GET", "/channels/w", headers)
    head = client.event()
    same((head.status_code, header(head, "sec-websocket-accept")), (101, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="))
    same(client.event(), h11.PAUSED)


done()
