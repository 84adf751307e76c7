"""One batch: one Postgres transaction that moves the cursor and writes events, mirror and projections."""

from collections.abc import Sequence

import asyncpg

from croupier_schemas.events import Event, encode_changes
from croupier_sync import mirror
from croupier_sync.errors import Alarm
from croupier_sync.position import Position, advance
from croupier_sync.postgres import REFUSED
from croupier_sync.projector import Projector

_COLUMNS = (
    "partition", "epoch", "seq", "ts_ms", "created", "type", "uid", "tier", "op_id", "idempotency_key", "request_hash",
    "economy", "rules", "terms", "result", "changes",
)  # fmt: skip


async def apply(
    connection: asyncpg.Connection, projector: Projector, position: Position, events: Sequence[Event]
) -> Position:
    """Apply events that `read_after` returned for this position, all or none. Returns the position afterwards.

    Raises Superseded where another daemon has moved the cursor; Alarm where the events' epoch is sealed, where
    Postgres has another event under one of the ids already, and where it cannot hold one.
    """
    await projector.prepare(connection, events)
    try:
        async with connection.transaction():
            after = await advance(connection, position, events[-1])
            await connection.copy_records_to_table("events", records=map(_row, events), columns=_COLUMNS)
            await mirror.write(connection, events)
            await projector.write(connection, events)
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
    return after


def _row(event: Event) -> tuple[object, ...]:
    header = event.header
    return (
        event.id.partition, event.id.epoch, event.id.seq, event.ts_ms, event.created, header.type, header.uid,
        header.tier, header.op_id, header.idempotency_key, header.request_hash, header.economy, header.rules,
        bytes(header.terms), event.result, encode_changes(event.changes),
    )  # fmt: skip
