"""One batch: one Postgres transaction that moves the cursor and writes events, mirror and projections."""

import asyncio
from collections.abc import Sequence

import asyncpg

from croupier_schemas.events import Event
from croupier_sync import mirror
from croupier_sync.digests import COLUMNS, chained
from croupier_sync.errors import Alarm
from croupier_sync.position import Position, advance
from croupier_sync.postgres import REFUSED
from croupier_sync.projector import TABLE_REFUSES, Projected, Projector
from croupier_sync.work import beside

_DIGEST = "SELECT digest FROM events WHERE partition = $1 AND epoch = $2 AND seq = $3"


async def apply(
    connection: asyncpg.Connection, projector: Projector, position: Position, events: Sequence[Event]
) -> Position:
    """Apply events that `read_after` returned for this position, all or none. Returns the position afterwards.

    Raises Superseded where another daemon has moved the cursor; Alarm where the events' epoch is sealed, where
    Postgres has another event under one of the ids already, and where it cannot hold one.
    """
    await projector.prepare(connection, events)
    projecting = asyncio.create_task(beside(projector.project, events))
    try:
        return await _apply(connection, projector, position, events, projecting, carefully=False)
    except TABLE_REFUSES:
        pass  # which row it is, and whether it may be left out, shows when they are written one after another
    try:
        return await _apply(connection, projector, position, events, projecting, carefully=True)
    except asyncpg.UniqueViolationError as error:
        raise Alarm(
            "event_conflict",
            f"Postgres has an event between {events[0].id} and {events[-1].id} beyond its own cursor: {error.detail}",
        ) from error
    except REFUSED as error:
        raise Alarm(
            "not_an_event",
            f"an event between {events[0].id} and {events[-1].id} does not fit Postgres: {error}",
        ) from error


async def _apply(
    connection: asyncpg.Connection,
    projector: Projector,
    position: Position,
    events: Sequence[Event],
    projecting: "asyncio.Task[Projected]",
    *,
    carefully: bool,
) -> Position:
    async with connection.transaction():
        after = await advance(connection, position, events[-1])
        rows = chained(await _last_digest(connection, position), events)
        await connection.copy_records_to_table("events", records=rows, columns=(*COLUMNS, "digest"))
        await mirror.write(connection, events)
        await projector.write(connection, await projecting, carefully=carefully)
    return after


async def _last_digest(connection: asyncpg.Connection, position: Position) -> bytes:
    """The digest of the event at the cursor; empty where there is none."""
    if position.cursor is None:
        return b""
    return (
        await connection.fetchval(_DIGEST, position.partition, position.cursor.epoch, position.cursor.seq)
        or b""
    )
