"""A model Valkey: speaks RESP over the simulated network, and keeps a log of what was written, as an AOF does."""

import hashlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

import hiredis

from tests.simulation.loop import VirtualLoop
from tests.simulation.network import Link
from tests.simulation.process import Process
from tests.simulation.valkey import collections_, streams, strings
from tests.simulation.valkey.log import Log
from tests.simulation.valkey.scripting import Scripting
from tests.simulation.valkey.store import OK, Command, CommandError, Reply, Status, Store, integer

_READS: Final[dict[bytes, Callable[..., Reply]]] = {
    b"GET": strings.get, b"MGET": strings.mget, b"EXISTS": strings.exists, b"TYPE": strings.type_,
    b"PTTL": strings.pttl, b"KEYS": strings.keys, b"SCAN": strings.scan, b"TIME": strings.time,
    b"HGET": collections_.hget, b"HMGET": collections_.hmget, b"HGETALL": collections_.hgetall,
    b"HEXISTS": collections_.hexists, b"ZRANGE": collections_.zrange, b"ZRANGEBYSCORE": collections_.zrangebyscore,
    b"XRANGE": streams.xrange, b"XREVRANGE": streams.xrevrange, b"XLEN": streams.xlen, b"XINFO": streams.xinfo,
}  # fmt: skip
_WRITES: Final[dict[bytes, Callable[..., Reply]]] = {
    b"SET": strings.set_, b"MSET": strings.mset, b"SETRANGE": strings.setrange, b"DEL": strings.delete,
    b"UNLINK": strings.delete, b"RENAME": strings.rename, b"PEXPIRE": strings.pexpire,
    b"PEXPIREAT": strings.pexpireat, b"HSET": collections_.hset, b"HDEL": collections_.hdel,
    b"ZADD": collections_.zadd, b"ZREM": collections_.zrem, b"XADD": streams.xadd, b"XTRIM": streams.xtrim,
}  # fmt: skip
_COMMANDS: Final = _READS | _WRITES
_FSYNC_S: Final = 1.0
_READ_ONLY: Final = "READONLY You can't write against a read only replica."

scripting = Scripting()


def run(store: Store, words: list[bytes]) -> Reply:
    """One command, as in a script or from the log. Raises CommandError."""
    function = _COMMANDS.get(words[0].upper())
    if function is None:
        raise CommandError(f"ERR unknown command '{words[0].decode()}'")
    return function(store, *words[1:])


def replayed(log: Log, count: int, clock_ms: Callable[[], int]) -> Store:
    """The store that the first `count` units of a log leave."""
    store = Store(lambda: 0)  # so that nothing expires meanwhile
    for effects in log.units[:count]:
        for effect in effects:
            run(store, list(effect))
    store.clock_ms = clock_ms
    store.effects.clear()
    return store


@dataclass(eq=False)
class Valkey:
    """One server process. `log` is what it starts with, and goes on writing.

    `identity_by` makes run ids and replication ids. As a replica it takes no writes; `promote` and `demote` change that
    without a connection being lost.
    """

    loop: VirtualLoop
    name: str
    log: Log
    identity_by: Random
    clock_ms: Callable[[], int]
    master: bool = True
    connections: "list[Connection]" = field(default_factory=list)

    def __post_init__(self) -> None:
        self.process = Process(self.loop, self.name)
        self.run_id = self._new_id()
        self.replid = self._new_id()
        self.store = replayed(self.log, len(self.log.units), self.clock_ms)
        self.scripts: dict[bytes, bytes] = {}

    def _new_id(self) -> str:
        return f"{self.identity_by.getrandbits(160):040x}"

    def accept(self, link: Link) -> "Connection":
        connection = Connection(self, link)
        self.connections.append(connection)
        return connection

    def promote(self) -> None:
        """Be the master of a new history, which begins with what is held now."""
        self.master, self.replid = True, self._new_id()

    def demote(self, replid: str, log: Log) -> None:
        """Be a replica of the server with that replication id, and hold what it holds."""
        self.master, self.replid, self.log = False, replid, log
        self.store = replayed(log, len(log.units), self.clock_ms)

    def execute(self, words: list[bytes]) -> Reply:
        """A command of a client. Raises CommandError."""
        name = words[0].upper()
        if name in _WRITES and not self.master:
            raise CommandError(_READ_ONLY)
        try:
            if name == b"EVALSHA":
                return self._evalsha(words)
            if name in _COMMANDS:
                try:
                    return run(self.store, words)
                except TypeError:
                    raise CommandError(
                        f"ERR wrong number of arguments for '{name.decode().lower()}' command"
                    ) from None
            return self._control(name, words)
        finally:
            if self.store.effects:
                self._written()

    def _written(self) -> None:
        effects, self.store.effects = tuple(self.store.effects), []
        if self.master:
            self.log.append(self.loop.now_s, effects)
        for connection in list(self.connections):
            connection.look_again()

    def _evalsha(self, words: list[bytes]) -> Reply:
        sha, count = words[1].lower(), integer(words[2])
        source = self.scripts.get(sha)
        if source is None:
            raise CommandError("NOSCRIPT No matching script.")
        if not self.master and b"no-writes" not in source.partition(b"\n")[0]:
            raise CommandError(_READ_ONLY)
        return scripting.run(
            sha.decode(),
            source,
            words[3 : 3 + count],
            words[3 + count :],
            lambda command: run(self.store, command),
        )

    def _control(self, name: bytes, words: list[bytes]) -> Reply:
        if name == b"PING":
            return Status(b"PONG")
        if name in (b"AUTH", b"SELECT", b"CLIENT"):
            return OK
        if name == b"INFO":
            return self._info()
        if name == b"CONFIG":
            values = {b"maxmemory": b"0", b"maxmemory-policy": b"noeviction", b"appendonly": b"yes"}
            return [
                part for wanted in words[2:] if wanted in values for part in (wanted, values.get(wanted, b""))
            ]
        if name == b"SCRIPT" and words[1].upper() == b"LOAD":
            sha = hashlib.sha1(words[2], usedforsecurity=False).hexdigest().encode()
            self.scripts[sha] = words[2]
            return sha
        if name == b"PUBLISH":
            return self._publish(words[1], words[2])
        if name == b"PUBSUB" and words[1].upper() == b"NUMSUB":
            return [part for channel in words[2:] for part in (channel, len(self._listeners(channel)))]
        raise CommandError(f"ERR unknown command '{name.decode()}'")

    def _info(self) -> bytes:
        fields = {
            "server_name": "valkey", "redis_version": "7.2.4", "valkey_version": "9.1.0", "run_id": self.run_id,
            "role": "master" if self.master else "slave", "master_replid": self.replid,
            "used_memory": "1000000", "maxmemory": "0", "maxmemory_policy": "noeviction",
        }  # fmt: skip
        return "".join(f"{field}:{value}\r\n" for field, value in fields.items()).encode()

    def _publish(self, channel: bytes, text: bytes) -> int:
        heard = self._listeners(channel)
        for connection in heard:
            connection.link.reply(encoded([b"message", channel, text]))
        return len(heard)

    def _listeners(self, channel: bytes) -> "list[Connection]":
        return [each for each in self.connections if channel in each.channels]


class Connection:
    """One client of a server. A blocking command holds up those behind it on the same connection."""

    def __init__(self, server: Valkey, link: Link) -> None:
        self.link = link
        self.channels: set[bytes] = set()
        self._server = server
        self._reader = hiredis.Reader()
        self._waiting: deque[list[bytes]] = deque()
        self._blocked: Callable[[], Reply] | None = None
        self._timer: Any = None

    def receive(self, data: bytes) -> None:
        self._reader.feed(data)
        while (request := self._reader.gets()) is not False:
            self._waiting.append(request)
        self._go_on()

    def closed(self) -> None:
        self._unblock()
        self._waiting.clear()
        if self in self._server.connections:
            self._server.connections.remove(self)

    def look_again(self) -> None:
        """Something was written."""
        if self._blocked is not None and (reply := self._blocked()) is not None:
            self._unblock()
            self.link.reply(encoded(reply))
            self._server.process.soon(self._go_on)

    def _go_on(self) -> None:
        replies: list[bytes] = []
        while self._waiting and self._blocked is None:
            words = self._waiting.popleft()
            try:
                name = words[0].upper()
                if name == b"XREAD":
                    self._read(words, replies)
                elif name == b"WAITAOF":
                    self._wait_for_disk()
                elif name in (b"SUBSCRIBE", b"UNSUBSCRIBE"):
                    replies += [self._listen(name.lower(), channel) for channel in words[1:]]
                else:
                    replies.append(encoded(self._server.execute(words)))
            except CommandError as error:
                replies.append(f"-{error}\r\n".encode())
        if replies:
            self.link.reply(b"".join(replies))

    def _read(self, words: list[bytes], replies: list[bytes]) -> None:
        upper = [word.upper() for word in words]
        count = integer(words[upper.index(b"COUNT") + 1])
        timeout_ms = integer(words[upper.index(b"BLOCK") + 1])
        key, after = words[upper.index(b"STREAMS") + 1 :]

        def look() -> Reply:
            entries = streams.read_after(self._server.store, key, after, count)
            return [[key, list(entries)]] if entries else None

        found = look()
        if found is not None:
            replies.append(encoded(found))
        else:
            self._block(look, timeout_ms / 1_000, None)

    def _listen(self, name: bytes, channel: bytes) -> bytes:
        if name == b"subscribe":
            self.channels.add(channel)
        else:
            self.channels.discard(channel)
        return encoded([name, channel, len(self.channels)])

    def _wait_for_disk(self) -> None:
        """The log goes to the disk every second."""
        self._block(lambda: None, _FSYNC_S, [1, 0])

    def _block(self, look: Callable[[], Reply], timeout_s: float, then: Reply) -> None:
        self._blocked = look

        def timed_out() -> None:
            self._unblock()
            self.link.reply(encoded(then) if then is not None else b"*-1\r\n")
            self._go_on()

        self._timer = self._server.process.at(self._server.loop.now_s + timeout_s, timed_out)

    def _unblock(self) -> None:
        self._blocked = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def encoded(reply: Reply) -> bytes:
    """A reply in RESP 2."""
    if reply is None:
        return b"$-1\r\n"
    if isinstance(reply, int):
        return b":%d\r\n" % reply
    if isinstance(reply, Status):
        return b"+%b\r\n" % bytes(reply)
    if isinstance(reply, bytes):
        return b"$%d\r\n%b\r\n" % (len(reply), reply)
    return b"*%d\r\n%b" % (len(reply), b"".join([encoded(each) for each in reply]))


__all__ = ["Command", "Connection", "Valkey", "encoded", "replayed", "run", "scripting"]
