"""What the benchmarks share: calls packed in advance so that the client costs nothing, and both sides timed in turn."""

import socket
import ssl
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import hiredis

from croupier.transport.address import Address

_ROOM: Final = 1 << 20
_KEYS_AT_ONCE: Final = 1_000


def pack(*args: bytes | str | int) -> bytes:
    """A command as it goes over the wire."""
    packed: bytes = hiredis.pack_command(args)  # type: ignore[arg-type]
    return packed


class RawConnection:
    """A blocking connection that sends batches of packed commands and waits for all their replies."""

    def __init__(self, redis_url: str) -> None:
        address = Address.from_url(redis_url)
        self._socket = _connected(address)
        self._reader = hiredis.Reader()
        if address.password:
            self.call("AUTH", *filter(None, (address.username, address.password)))
        if address.database:
            self.call("SELECT", address.database)

    def call(self, *args: bytes | str | int) -> Any:
        """One command and its reply."""
        return self.batch(pack(*args), 1)[0]

    def batch(self, packed: bytes, count: int) -> list[object]:
        """Send a batch; its `count` replies. Raises `hiredis.ReplyError` for the first that is an error."""
        self._socket.sendall(packed)
        replies: list[object] = []
        while len(replies) < count:
            received = self._socket.recv(_ROOM)
            if not received:
                raise ConnectionError("the server has closed the connection")
            self._reader.feed(received)
            while (reply := self._reader.gets()) is not False:
                if isinstance(reply, hiredis.ReplyError):
                    raise reply
                replies.append(reply)
        return replies

    def info(self, section: str) -> dict[str, str]:
        """A section of INFO."""
        lines = self.call("INFO", section).decode().splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def close(self) -> None:
        self._socket.close()


def _connected(address: Address) -> socket.socket:
    if address.socket_path:
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(address.socket_path)
        return connection
    connection = socket.create_connection((address.host, address.port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if address.tls:
        return ssl.create_default_context().wrap_socket(connection, server_hostname=address.host)
    return connection


def clear(raw: RawConnection) -> None:
    """Delete all that benchmarks write: the keys of partition 0. Others' keys stay."""
    for names in _scan(raw, "{0}:*"):
        raw.call("UNLINK", *names)


def outbox(raw: RawConnection) -> bytes:
    """The name of the one outbox."""
    (name,) = {name for names in _scan(raw, "{0}:outbox:*") for name in names}
    return name


def _scan(raw: RawConnection, pattern: str) -> Iterator[list[bytes]]:
    """Lists of names, none of them empty."""
    cursor: Any = b"0"
    while True:
        cursor, names = raw.call("SCAN", cursor, "MATCH", pattern, "COUNT", _KEYS_AT_ONCE)
        if names:
            yield names
        if cursor == b"0":
            return


def batches(commands: Sequence[bytes], depth: int) -> Iterator[tuple[bytes, int]]:
    """The commands in batches of `depth`, each with how many it has."""
    for start in range(0, len(commands), depth):
        some = commands[start : start + depth]
        yield b"".join(some), len(some)


def server_cpu_s(raw: RawConnection) -> float:
    """CPU time of the server's main thread, which other load on the machine does not add to; before Redis 7 of all."""
    lines = raw.info("cpu")
    thread = "_main_thread" if "used_cpu_user_main_thread" in lines else ""
    return float(lines[f"used_cpu_user{thread}"]) + float(lines[f"used_cpu_sys{thread}"])


class Timed:
    """Something that is done again and again, and how long it took each time, in seconds."""

    def __init__(self, run: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> None:
        self._run = run
        self._clock = clock
        self.seconds: list[float] = []

    def __call__(self) -> None:
        started = self._clock()
        self._run()
        self.seconds.append(self._clock() - started)

    @property
    def median_s(self) -> float:
        return statistics.median(self.seconds)


def sized(benchmark: Any, full: int, smoke: int) -> int:
    """How much to do: `smoke` where benchmarks are disabled, and only have to work."""
    return smoke if benchmark.disabled else full
