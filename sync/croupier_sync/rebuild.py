"""Writing the mirror of a partition into Redis, and the digest by which the two are compared."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from hashlib import sha256
from typing import NamedTuple, TypeAlias

import asyncpg

from croupier_schemas import keys
from croupier_schemas.records import LAYOUTS
from croupier_sync.server import Server, Writer

ROWS_AT_ONCE = 5_000
_VALUES_PER_COMMAND = 500
_SCANNED_AT_ONCE = 5_000
_READ_TIMEOUT_S = 600.0

# Sorted by bytes, whatever the collation of the database, so that the digest is the same everywhere.
_MIRROR = """
SELECT key, field, value FROM mirror WHERE partition = $1 ORDER BY key COLLATE "C", field COLLATE "C"
"""
_ROWS = "SELECT count(*) FROM mirror WHERE partition = $1"

Progress: TypeAlias = Callable[[int, int], None]
"""Is told how much is done, and of how much."""

Alive: TypeAlias = Callable[[], Awaitable[None]]
"""Tells others that this is still at work."""

Entry: TypeAlias = tuple[bytes, bytes, bytes]
"""Key, field (empty for a key that is no hash) and value."""


class Rebuilt(NamedTuple):
    """What was written: keys, bytes of their values, the seconds that it took, and the digest of the mirror."""

    keys: int
    bytes: int
    seconds: float
    digest: str


class Digest:
    """SHA-256 over entries in the order of (key, field): each part preceded by its length in 4 bytes."""

    def __init__(self) -> None:
        self._hash = sha256()
        self.keys = 0
        self.bytes = 0
        self._last_key = b""

    def add(self, entries: Sequence[Entry]) -> None:
        parts = []
        for key, field, value in entries:
            for part in (key, field, value):
                parts.append(len(part).to_bytes(4, "big"))
                parts.append(part)
            self.keys += key != self._last_key
            self._last_key = key
            self.bytes += len(value)
        self._hash.update(b"".join(parts))

    def hexdigest(self) -> str:
        return self._hash.hexdigest()


async def rebuild(
    server: Writer, connection: asyncpg.Connection, partition: int, progress: Progress | None = None
) -> Rebuilt:
    """Write every key of the mirror, with the bytes that are durable and no others.

    Keys that the mirror does not have are left as they are; head, outbox and volatile indexes are the opener's. To be
    called while the partition is closed. `progress` is told rows. Raises TransportError and asyncpg's errors: what
    was written by then stays, and repeating it is harmless.
    """
    started_s = time.monotonic()
    digest, done = Digest(), 0
    total = await connection.fetchval(_ROWS, partition, timeout=_READ_TIMEOUT_S)
    async for entries in mirror_entries(connection, partition):
        writing = asyncio.gather(*(server.call(*command) for command in _commands(entries)))
        digest.add(entries)
        await writing
        done += len(entries)
        if progress is not None:
            progress(done, total)
    return Rebuilt(digest.keys, digest.bytes, time.monotonic() - started_s, digest.hexdigest())


async def digest_of_mirror(connection: asyncpg.Connection, partition: int) -> str:
    """The digest of a partition's durable state as Postgres has it: 64 hex characters."""
    digest = Digest()
    async for entries in mirror_entries(connection, partition):
        digest.add(entries)
    return digest.hexdigest()


async def digest_of_redis(server: Server, partition: int, progress: Progress | None = None) -> str:
    """The digest of a partition's durable state as Redis has it: 64 hex characters.

    Means something only while nothing is written. `progress` is told keys. Needs about 100 bytes of memory per key.
    """
    digest = Digest()
    async for entries in redis_entries(server, partition, progress):
        digest.add(entries)
    return digest.hexdigest()


async def redis_entries(
    server: Server, partition: int, progress: Progress | None = None, *, alive: Alive | None = None
) -> AsyncIterator[list[Entry]]:
    """The durable state of a partition in Redis in the order of the digest, some thousands of keys at a time."""
    names = await durable_keys(server, partition, alive)
    for start in range(0, len(names), ROWS_AT_ONCE):
        part = names[start : start + ROWS_AT_ONCE]
        yield await _read(server, part)
        if progress is not None:
            progress(start + len(part), len(names))


async def durable_keys(server: Server, partition: int, alive: Alive | None = None) -> list[bytes]:
    """The keys of a partition in Redis that the mirror has too, sorted. `alive` is awaited now and then."""
    found: set[bytes] = set()
    cursor = b"0"
    while True:
        reply = await server.call("SCAN", cursor, "MATCH", f"{{{partition}}}:*", "COUNT", _SCANNED_AT_ONCE)
        assert isinstance(reply, list)
        cursor, names = reply
        found.update(name for name in names if keys.is_durable(name))
        if cursor == b"0":
            return sorted(found)
        if alive is not None:
            await alive()


async def mirror_entries(connection: asyncpg.Connection, partition: int) -> AsyncIterator[list[Entry]]:
    """The rows of the mirror in the order of the digest, some thousands at a time."""
    async with connection.transaction():
        cursor = await connection.cursor(_MIRROR, partition, timeout=_READ_TIMEOUT_S)
        while rows := await cursor.fetch(ROWS_AT_ONCE, timeout=_READ_TIMEOUT_S):
            yield [(key.encode(), field.encode(), value) for key, field, value in rows]


def _commands(entries: Sequence[Entry]) -> list[list[bytes | str]]:
    strings = [part for key, field, value in entries if not field for part in (key, value)]
    step = 2 * _VALUES_PER_COMMAND
    writes: list[list[bytes | str]] = [
        ["MSET", *strings[start : start + step]] for start in range(0, len(strings), step)
    ]
    return writes + [["HSET", key, field, value] for key, field, value in entries if field]


async def _read(server: Server, names: Sequence[bytes]) -> list[Entry]:
    """The keys as the mirror holds them, in this order; without those that have gone."""
    strings = [name for name in names if keys.kind(name) != "pool"]
    hashes = [name for name in names if keys.kind(name) == "pool"]
    steps = range(0, len(strings), _VALUES_PER_COMMAND)
    read = await asyncio.gather(
        *(server.call("MGET", *strings[start : start + _VALUES_PER_COMMAND]) for start in steps)
    )
    values = [value for part in read if isinstance(part, list) for value in part]
    found: list[Entry] = [
        (name, b"", value[: _durable_size(name)])
        for name, value in zip(strings, values, strict=True)
        if value is not None
    ]
    for name in hashes:
        fields = await server.call("HGETALL", name)
        assert isinstance(fields, list)
        found += [(name, field, value) for field, value in zip(fields[::2], fields[1::2], strict=True)]
    return sorted(found)


def _durable_size(name: bytes) -> int | None:
    """How much of a key's value is durable, in bytes; None: all of it."""
    layout = LAYOUTS.get(keys.kind(name))
    return layout.durable_size if layout else None
