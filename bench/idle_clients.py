"""Clients that open WebSockets, read their greeting and do nothing more: a process of its own, for its own files.

Started as `python -m bench.idle_clients`; standard input has one line, an `Idle` as JSON. A line comes back once all
are greeted; the end of standard input closes them.
"""

import resource
import socket
import sys
from typing import Final

import msgspec

AT_ONCE: Final = 100
"""Fewer than may wait to be accepted: of more, each would wait a second for its next attempt."""


class Idle(msgspec.Struct):
    """A socket for each token."""

    port: int
    tokens: list[str]


def open_all(idle: Idle) -> list[socket.socket]:
    """The sockets, each greeted."""
    opened: list[socket.socket] = []
    for first in range(0, len(idle.tokens), AT_ONCE):
        some = [opening(idle.port, token) for token in idle.tokens[first : first + AT_ONCE]]
        for client in some:
            received = b""
            while b'"hello"' not in received:
                received += client.recv(4096)
        opened += some
    return opened


def opening(port: int, token: str) -> socket.socket:
    """A socket whose handshake was sent."""
    client = socket.create_connection(("127.0.0.1", port))
    client.sendall(
        f"GET /api/games/ws HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        f"Authorization: Bearer {token}\r\n\r\n".encode()
    )
    return client


def main() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    opened = open_all(msgspec.json.decode(sys.stdin.readline(), type=Idle))
    print(len(opened), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
