"""Connections of a client that sends any bytes, and what a server may say to them."""

import contextlib
import json
import selectors
import socket
import struct
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import msgspec

from croupier_http.ws.frames import FRAME_BYTES_MAX
from tests.http.support import WALLET, token
from tests.ws.raw import BINARY, CLOSE, PING, PONG, TEXT, frame

DEADLINE_S: Final = 30.0
PATIENCE_S: Final = 0.1
"""How long inputs are waited for that may want more. It paces them; nothing is concluded from it."""
AT_ONCE: Final = 16

LAST: Final = (
    f"GET {WALLET} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {token(4_242)}\r\n\r\n"
).encode()
"""Behind an input: with its answer the connection ends, unless the input has swallowed it."""

_STATUSES: Final = frozenset({
    100, 101, 200, 304, 400, 401, 403, 404, 405, 408, 409, 410, 413, 415, 422, 426, 429, 503,
})  # fmt: skip
"""503: a request of an operator, for what this server does not have."""
_CLOSES: Final = frozenset({1000, 1001, 1002, 1003, 1007, 1009, 1011, 1013, 3000, 4401, 4403, 4429})


def opened(port: int, *, receive_bytes: int = 0) -> socket.socket:
    """A connection. `receive_bytes`, where given, is what the system keeps for a client that does not read."""
    connection = socket.socket()
    if receive_bytes:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    connection.settimeout(DEADLINE_S)
    connection.connect(("127.0.0.1", port))
    return connection


def send(connection: socket.socket, data: bytes) -> None:
    """Send what the server takes; it may have closed."""
    with contextlib.suppress(ConnectionError):
        connection.sendall(data)


def exchange(port: int, inputs: Sequence[bytes]) -> list[bytes]:
    """Send each input on a connection of its own, all at once; what came back by the time the server had closed.

    Whoever is not answered in a while says that nothing more is to be sent; then the server must close, and may have
    answered nothing. AssertionError where it does not.
    """
    with contextlib.ExitStack() as stack:
        replies: dict[socket.socket, bytes] = {}
        selector = stack.enter_context(selectors.DefaultSelector())
        for data in inputs:
            connection = stack.enter_context(opened(port))
            send(connection, data)
            selector.register(connection, selectors.EVENT_READ)
            replies[connection] = b""
        begun_s = time.monotonic()
        is_waiting = True
        while left := [connection for connection in replies if connection in selector.get_map()]:
            ready = {key.fileobj for key, _ in selector.select(PATIENCE_S)}
            for connection in left:
                if connection in ready:
                    chunk = _receive(connection)
                    replies[connection] += chunk
                    if not chunk:
                        selector.unregister(connection)
            waited_s = time.monotonic() - begun_s
            if is_waiting and waited_s > PATIENCE_S:
                is_waiting = False
                for connection in left:
                    with contextlib.suppress(OSError):  # it has been closed
                        connection.shutdown(socket.SHUT_WR)
            assert waited_s < DEADLINE_S, [dict(zip(replies, inputs, strict=True))[each] for each in left]
        return list(replies.values())


def converse(port: int, data: bytes, is_all: Callable[[bytes], bool] = lambda _: False) -> bytes:
    """Send an input; what came back by the time that was all, or the server had closed. OSError where neither comes."""
    with opened(port) as connection:
        send(connection, data)
        received = b""
        while not is_all(received) and (chunk := _receive(connection)):
            received += chunk
        return received


def _receive(connection: socket.socket) -> bytes:
    """What there is; empty at the end of the connection, in whatever way it ends."""
    with contextlib.suppress(ConnectionError):
        return connection.recv(65_536)
    return b""


def require_http(sent: bytes, received: bytes) -> int:
    """What came is replies as HTTP and this server have them, whole; how many. AssertionError otherwise."""
    count = 0
    while received:
        head, separator, received = received.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        version, _, rest = lines[0].partition(b" ")
        assert separator, (sent, head)
        assert version == b"HTTP/1.1", (sent, head)
        status = int(rest[:3])
        assert status in _STATUSES, (sent, head, received)
        count += 1
        if status == 100:
            continue
        if status == 101:
            list(server_frames(sent, received))
            return count
        headers = {name.lower(): value for name, _, value in (line.partition(b": ") for line in lines[1:])}
        length = int(headers[b"content-length"])
        if received.startswith(b"HTTP/1.1 ") or (not received and b"HEAD" in sent):
            continue  # the answer to HEAD
        assert len(received) >= length, (sent, head, received)
        body, received = received[:length], received[length:]
        if status >= 400:
            error = json.loads(body)
            assert error["code"] == error["detail"], (sent, body)
            assert error["code"] != "INTERNAL", (sent, body)
            assert b"Traceback" not in body, (sent, body)
    return count


def server_frames(sent: bytes, received: bytes) -> Iterable[tuple[int, bytes]]:
    """The frames in what a server sent, as far as they are whole. AssertionError for what is none of a server."""
    place = 0
    while len(received) - place >= 2:
        first, length = received[place], received[place + 1]
        start = place + 2
        if length == 126:
            start += 2
        elif length == 127:
            start += 8
        if length >= 126:
            length = int.from_bytes(received[place + 2 : start], "big")
        assert first & 0xF0 == 0x80, (sent, received[place : place + 40])  # whole, nothing reserved
        assert first & 0x0F in (TEXT, BINARY, CLOSE, PING, PONG), (sent, received[place : place + 40])
        if start + length > len(received):
            break
        place = start + length
        yield first & 0x0F, received[start : start + length]


def handshake(protocol: str, path: str = "/api/games/ws", bearer: str | None = None) -> bytes:
    """A request that opens a socket."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        f"Sec-WebSocket-Protocol: {protocol}\r\n"
        f"Authorization: Bearer {bearer or token(4_242)}\r\n\r\n"
    ).encode()


def require_socket(sent: bytes, received: bytes, opcode: int) -> list[Any]:
    """What came is a handshake and frames as this server has them; the replies to commands in them."""
    if not received:
        return []  # it was closed before it was opened
    head, _, rest = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 "), (sent, head)
    replies: list[Any] = []
    for kind, payload in server_frames(sent, rest):
        if kind == CLOSE:
            (code,) = struct.unpack(">H", payload[:2])
            assert code in _CLOSES or 3000 <= code < 5000, (sent, code)
            payload[2:].decode()
        elif kind in (TEXT, BINARY):
            assert kind == opcode, (sent, payload)
            said = json.loads(payload) if kind == TEXT else msgspec.msgpack.decode(payload)
            if isinstance(said, dict):
                assert said["type"], (sent, said)
            else:
                replies += said if isinstance(said[0], list) else [said]
    for reply in replies:
        assert reply[1] in _STATUSES, (sent, reply)
        assert reply[1] == 200 or reply[2]["code"] != "INTERNAL", (sent, reply)
    return replies


def require_all(port: int, sent: bytes, numbers: set[int], opcode: int) -> None:
    """Commands with these numbers are answered, each once; or what was sent is none, and the socket ends.

    With 1007 where it is no command, with 1009 where a frame may be longer than the server takes.
    """
    refusals = {1007, 1009} if len(sent) > FRAME_BYTES_MAX else {1007}

    def frames(received: bytes) -> list[tuple[int, bytes]]:
        return list(server_frames(sent, received.partition(b"\r\n\r\n")[2]))

    def is_all(received: bytes) -> bool:
        return any(kind == CLOSE for kind, _ in frames(received)) or (
            b"\r\n\r\n" in received and len(require_socket(sent, received, opcode)) >= len(numbers)
        )

    received = converse(port, sent, is_all)
    answered = sorted(reply[0] for reply in require_socket(sent, received, opcode))
    closes = {int.from_bytes(payload[:2]) for kind, payload in frames(received) if kind == CLOSE}
    assert answered == sorted(numbers) or closes & refusals, (sent, received)


def closing() -> bytes:
    """The frame with which a client ends its socket."""
    return frame(struct.pack(">H", 1000), CLOSE)
