"""Batches on their way into ClickHouse: written to Postgres before the insert, and deleted after it.

A batch is the ids of its events in a fixed order. Whoever finds one inserts it: the daemon that took it, with the rows
at hand, or a later one, which makes them again from the log. Its token is always the same, so it counts once.
"""

import datetime
import hashlib
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import asyncpg
import msgspec

from croupier_schemas.events import EventId
from croupier_sync.errors import Superseded

_PUT = "INSERT INTO clickhouse_batches (events) VALUES ($1) RETURNING id"
_PENDING = "SELECT id, events FROM clickhouse_batches ORDER BY id"
_DELETE = "DELETE FROM clickhouse_batches WHERE id = $1 RETURNING true"
_CHANGED = """
INSERT INTO clickhouse_days (day, batch) VALUES ($1, $2)
ON CONFLICT (day) DO UPDATE SET batch = greatest(clickhouse_days.batch, excluded.batch)
"""
_TOKEN_BYTES: Final = 16

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[tuple[int, int, int]]).decode


class Batch(NamedTuple):
    """Events that are inserted together. `token` is that of no other batch, also not after Postgres was restored."""

    id: int
    events: list[EventId]
    token: str


async def put(connection: asyncpg.Connection, events: Sequence[EventId]) -> Batch:
    """Write a batch that is to be inserted. Call it in the transaction that takes the events."""
    encoded = _encode([(event.partition, event.epoch, event.seq) for event in events])
    number: int = await connection.fetchval(_PUT, encoded)
    return Batch(number, list(events), _token(number, encoded))


async def pending(connection: asyncpg.Connection) -> list[Batch]:
    """What may be inserted or not, in the order in which it was taken."""
    return [
        Batch(row["id"], [EventId(*id_) for id_ in _decode(row["events"])], _token(row["id"], row["events"]))
        for row in await connection.fetch(_PENDING)
    ]


async def finish(connection: asyncpg.Connection, batch: Batch, days: Iterable[datetime.date]) -> None:
    """The batch is in ClickHouse. Raises Superseded where another daemon has finished it, which changes nothing."""
    async with connection.transaction():
        await _delete(connection, batch)
        await connection.executemany(_CHANGED, [(day, batch.id) for day in days])


async def split(connection: asyncpg.Connection, batch: Batch) -> tuple[Batch, Batch]:
    """Two batches in place of one that ClickHouse refuses. Raises Superseded."""
    middle = len(batch.events) // 2
    async with connection.transaction():
        await _delete(connection, batch)
        return await put(connection, batch.events[:middle]), await put(connection, batch.events[middle:])


async def give_up(connection: asyncpg.Connection, batch: Batch) -> None:
    """The batch will not be inserted. Call it in the transaction that writes its dead letters. Raises Superseded."""
    await _delete(connection, batch)


async def _delete(connection: asyncpg.Connection, batch: Batch) -> None:
    if not await connection.fetchval(_DELETE, batch.id):
        raise Superseded(f"batch {batch.id} was finished by another daemon")


def _token(number: int, encoded: bytes) -> str:
    return f"{number}-{hashlib.blake2b(encoded, digest_size=_TOKEN_BYTES).hexdigest()}"
