"""What the benchmarks share: a server of their own, and calls packed in advance so that the client costs nothing."""

import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

import hiredis


def pack(*args: bytes | str | int) -> bytes:
    """A command as it goes over the wire."""
    packed: bytes = hiredis.pack_command(args)  # type: ignore[arg-type]
    return packed


class RawConnection:
    """A blocking socket that sends batches of packed commands and waits for all their replies."""

    def __init__(self, socket_path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(socket_path))
        self._reader = hiredis.Reader()

    def call(self, *args: bytes | str | int) -> object:
        """One command and its reply."""
        return self.batch(pack(*args), 1)[0]

    def batch(self, packed: bytes, count: int) -> list[object]:
        """Send a batch; its `count` replies."""
        self._socket.sendall(packed)
        replies: list[object] = []
        while len(replies) < count:
            self._reader.feed(self._socket.recv(1 << 20))
            while (reply := self._reader.gets()) is not False:
                if isinstance(reply, hiredis.ReplyError):
                    raise reply
                replies.append(reply)
        return replies

    def close(self) -> None:
        self._socket.close()


def batches(commands: Sequence[bytes], depth: int) -> Iterator[bytes]:
    """The commands in batches of `depth`."""
    for start in range(0, len(commands), depth):
        yield b"".join(commands[start : start + depth])
