"""One batch: one Postgres transaction that moves the cursor and writes events, mirror and projections."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import asyncpg

from croupier_schemas.events import Event
from croupier_sync import mirror
from croupier_sync.digests import COLUMNS, EventRow, chained
from croupier_sync.errors import Alarm
from croupier_sync.position import Position, advance
from croupier_sync.postgres import REFUSED
from croupier_sync.projector import TABLE_REFUSES, Projected, Projector
from croupier_sync.work import beside

_DIGEST = "SELECT digest FROM events WHERE partition = $1 AND epoch = $2 AND seq = $3"


class Batch(NamedTuple):
    """Events that follow one another, and what Postgres is to hold of them."""

    events: Sequence[Event]
    rows: list[EventRow]
    folded: mirror.Folded
    projected: Projected

    @property
    def digest(self) -> bytes:
        """The digest of the last event."""
        digest: bytes = self.rows[-1][-1]
        return digest


async def apply(
    connection: asyncpg.Connection, projector: Projector, position: Position, events: Sequence[Event]
) -> Position:
    """Apply events that `read_after` returned for this position, all or none. Returns the position afterwards.

    Raises like `write`.
    """
    return await write(
        connection, projector, position, await work_out(connection, projector, position, events)
    )


async def work_out(
    connection: asyncpg.Connection,
    projector: Projector,
    position: Position,
    events: Sequence[Event],
    digest: bytes | None = None,
) -> Batch:
    """What Postgres is to hold of events that follow this position. `digest` is that of the event at it, if known."""
    await projector.prepare(connection, events)
    if digest is None:
        digest = await _last_digest(connection, position)
    return await beside(partial(_work_out, projector, digest), events)


async def work_out_ahead(projector: Projector, events: Sequence[Event], digest: bytes) -> Batch | None:
    """The same while the batch before is being written. None where it has to wait for that."""
    if not events or not projector.is_prepared(events):
        return None
    return await beside(partial(_work_out, projector, digest), events)


async def write(
    connection: asyncpg.Connection, projector: Projector, position: Position, batch: Batch
) -> Position:
    """Write a batch that follows this position, all of it or none. Returns the position afterwards.

    Raises Superseded where another daemon has moved the cursor; Alarm where the events' epoch is sealed, where
    Postgres has another event under one of the ids already, and where it cannot hold one.
    """
    try:
        return await _write(connection, projector, position, batch, carefully=False)
    except TABLE_REFUSES:
        pass  # which row it is, and whether it may be left out, shows when they are written one after another
    between = f"between {batch.events[0].id} and {batch.events[-1].id}"
    try:
        return await _write(connection, projector, position, batch, carefully=True)
    except asyncpg.UniqueViolationError as error:
        raise Alarm(
            "event_conflict", f"Postgres has an event {between} beyond its own cursor: {error.detail}"
        ) from error
    except REFUSED as error:
        raise Alarm("not_an_event", f"an event {between} does not fit Postgres: {error}") from error


async def _write(
    connection: asyncpg.Connection,
    projector: Projector,
    position: Position,
    batch: Batch,
    *,
    carefully: bool,
) -> Position:
    async with connection.transaction():
        after = await advance(connection, position, batch.events[-1])
        await connection.copy_records_to_table("events", records=batch.rows, columns=(*COLUMNS, "digest"))
        await mirror.write(connection, batch.events[0].id, batch.folded)
        await projector.write(connection, batch.projected, carefully=carefully)
    return after


def _work_out(projector: Projector, before: bytes, events: Sequence[Event]) -> Batch:
    return Batch(events, list(chained(before, events)), mirror.fold(events), projector.project(events))


async def _last_digest(connection: asyncpg.Connection, position: Position) -> bytes:
    """The digest of the event at the cursor; empty where there is none."""
    if position.cursor is None:
        return b""
    return (
        await connection.fetchval(_DIGEST, position.partition, position.cursor.epoch, position.cursor.seq)
        or b""
    )
