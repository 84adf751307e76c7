"""Looking up single events: in Postgres, or in the outbox while the daemon has not taken them yet."""

from typing import TYPE_CHECKING, Any

import asyncpg
import msgspec

from croupier.paging import QUERY_TIMEOUT_S
from croupier.partition import PARTITIONS
from croupier.postgres import asking_postgres, fetchrow
from croupier.query import Sources
from croupier.transport import TransportError
from croupier.wallet import read_player
from croupier_schemas import keys
from croupier_schemas.events import Event, EventHeader, EventId, decode_changes, decode_entry
from croupier_schemas.records import PLAYER, Player

if TYPE_CHECKING:
    from croupier.engine import Engine
    from croupier.views import View

_EVENT = """
SELECT ts_ms, created, type, uid, tier, op_id, idempotency_key, request_hash, economy, rules, terms,
  result, changes
FROM events WHERE partition = $1 AND epoch = $2 AND seq = $3
"""
_LOOKS_MAX = 8
_MIRRORED = "SELECT value FROM mirror WHERE partition = $1 AND key = $2 AND field = ''"


async def find_event(sources: Sources, event_id: EventId) -> Event | None:
    """The event of that id, or None. Raises CroupierError NOT_READY."""
    if sources.postgres is not None:
        place = event_id.partition, event_id.epoch, event_id.seq
        with asking_postgres():
            row = await fetchrow(sources.postgres, _EVENT, *place, timeout_s=QUERY_TIMEOUT_S)
        if row is not None:
            return event_of_row(event_id, row)
    return await in_outbox(sources.engine, event_id)


def event_of_row(event_id: EventId, row: asyncpg.Record) -> Event:
    """A row of the table `events`."""
    return Event(
        id=event_id,
        ts_ms=row["ts_ms"],
        created=row["created"],
        header=EventHeader(
            type=row["type"],
            uid=row["uid"],
            tier=row["tier"],
            op_id=row["op_id"],
            idempotency_key=row["idempotency_key"],
            request_hash=row["request_hash"],
            economy=row["economy"],
            rules=row["rules"],
            terms=msgspec.Raw(row["terms"]),
        ),
        result=row["result"],
        changes=decode_changes(row["changes"]),
    )


async def in_outbox(engine: "Engine", event_id: EventId) -> Event | None:
    """The event that the outbox has under that id.

    A push may rename it between name and look. Then nothing is found, as where the id is above all in it: look again.
    """
    for _ in range(_LOOKS_MAX):
        stream = keys.outbox(event_id.partition, (await engine.views.in_force(event_id.partition)).fence)
        entries = await engine.views.read("XRANGE", stream, event_id.entry, "+", "COUNT", 1)
        if isinstance(entries, list) and entries:
            entry, fields = entries[0]
            found = decode_entry(event_id.partition, entry, fields)
            return found if found.id == event_id else None
    return None


async def newest_of(engine: "Engine", view: "View") -> Event | None:
    """The last event of the log that a script had under this view; None where that log cannot be read any more."""
    number, transport = view.connection_number, engine.transport
    if number != transport.connection_number:
        return None
    stream, timeout_s = keys.outbox(view.partition, view.fence), engine.settings.command_timeout_seconds
    try:
        entries: Any = await transport.call("XREVRANGE", stream, "+", "-", "COUNT", 1, timeout_s=timeout_s)
    except TransportError:
        return None
    if not entries or number != transport.connection_number:
        return None
    return decode_entry(view.partition, *entries[0])


async def player_held(sources: Sources, uid: int) -> Player | None:
    """A player's record as no failure can take it back: Postgres', or Redis' on a server without Postgres.

    Raises CroupierError NOT_READY.
    """
    if sources.postgres is None:
        return await read_player(sources, uid)
    partition = uid % PARTITIONS
    with asking_postgres():
        name = keys.player(partition, uid)
        row = await fetchrow(sources.postgres, _MIRRORED, partition, name, timeout_s=QUERY_TIMEOUT_S)
    return PLAYER.unpack(row["value"]) if row is not None else None
