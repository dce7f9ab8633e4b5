"""Python's websockets against the echo endpoints, with and without compression."""

import os
import random

from tap import check, done, same
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import CloseCode
from websockets.sync.client import connect

URL = os.environ["URL"]
NOISE = random.Random(7).randbytes(5000)
MESSAGES = ["", "short", "many words, " * 1000, bytes(200_000), NOISE, "ünï ☃ 😀 " * 500]


def exchange(path, **options):
    with connect(URL + path, max_size=None, **options) as websocket:
        for message in MESSAGES:
            websocket.send(message)
        for message in MESSAGES:
            got = websocket.recv(timeout=15)
            if path == "/reverse" and isinstance(message, str):
                got = got[::-1]
            assert got == message, f"{message[:20]!r}… came back as {got[:20]!r}…"
        websocket.send([message for message in ["in ", "three ", "fragments " * 50]])
        same(len(websocket.recv(timeout=15)), 509)
        websocket.ping().wait(15)
        return websocket.protocol.extensions


@check("what it does by itself")
def _():
    (extension,) = exchange("/echo")
    same(extension.name, "permessage-deflate")


@check("the echo in reverse")
def _():
    exchange("/reverse")


@check("without compression")
def _():
    same(list(exchange("/echo", compression=None)), [])


for server_bits in [None, 9, 12, 15]:
    for client_bits in [None, True, 9, 15]:
        for takeover in [False, True]:

            @check(f"windows of {server_bits} and {client_bits} bits, no takeover: {takeover}")
            def _():
                factory = ClientPerMessageDeflateFactory(
                    server_no_context_takeover=takeover,
                    client_no_context_takeover=takeover,
                    server_max_window_bits=server_bits,
                    client_max_window_bits=client_bits,
                )
                (extension,) = exchange("/echo", extensions=[factory], compression=None)
                same(extension.remote_no_context_takeover, True)
                same(extension.local_no_context_takeover, True)
                same(extension.remote_max_window_bits, server_bits or 15)


@check("a message that is too big for what it gets")
def _():
    try:
        with connect(URL + "/echo", max_size=None) as websocket:
            websocket.send(bytes(17 * 1024 * 1024))
            websocket.recv(timeout=15)
    except ConnectionClosed as closed:
        same(closed.rcvd.code, CloseCode.MESSAGE_TOO_BIG)
    else:
        raise AssertionError("it came back")


done()
