"""Reading the outbox: what follows the cursor, with proof that it does, and trimming what Postgres holds."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import asyncpg

from croupier.transport import Transport
from croupier_schemas.events import Event, EventId, decode_entry
from croupier_sync.errors import Alarm
from croupier_sync.position import Position
from croupier_sync.work import beside

READ_TIMEOUT_S = 10.0
_ENTRIES_PER_REPLY = 2_500

_KEPT_FROM = """
SELECT epoch, seq FROM events WHERE partition = $1 ORDER BY epoch DESC, seq DESC OFFSET $2 LIMIT 1
"""


class CursorMissing(Exception):
    """The stream does not hold the cursor's entry: it has another name now, or `diagnosis` says what is wrong."""


async def read_after(transport: Transport, stream: str, position: Position, count_max: int) -> list[Event]:
    """At most `count_max` events of one epoch that follow the cursor without a gap; empty when there are none.

    The cursor's own entry is read again and must be the event that Postgres remembers. Raises CursorMissing, and
    Alarm for a fork, a gap, an entry that is no event, or a log that Postgres knows nothing of.
    """
    cursor = position.cursor
    start, count = (cursor.entry, count_max + 1) if cursor else ("-", count_max)
    entries = await _range(transport, stream, start, count)
    if cursor is not None and (not entries or entries[0][0] != cursor.entry.encode()):
        raise CursorMissing
    events = await beside(partial(_decode_all, position.partition), entries)
    if cursor is None:
        _require_first(events, position)
    elif events.pop(0).header.op_id != cursor.op_id:
        raise Alarm(
            "fork",
            f"event {position.partition}-{cursor.entry} is not the one that Postgres holds under this id: "
            "this Redis is on a fork of the log",
        )
    return _of_one_epoch(events, position)


async def diagnosis(transport: Transport, stream: str, position: Position) -> Alarm:
    """What it means that `stream`, which is the partition's outbox, does not hold the cursor's entry."""
    cursor = position.cursor
    assert cursor is not None
    name = f"{position.partition}-{cursor.entry}"
    first = await _entries(transport, "XRANGE", stream, "-", "+", "COUNT", 1)
    last = await _entries(transport, "XREVRANGE", stream, "+", "-", "COUNT", 1)
    if not first or not last:
        return Alarm(
            "redis_empty",
            f"Redis has no event and Postgres has events up to {name}: "
            "start Redis with its data, or build it from Postgres",
        )
    if _number(last[0][0]) < cursor[:2]:
        return Alarm(
            "redis_behind",
            f"Redis ends at event {position.partition}-{last[0][0].decode()} and Postgres at {name}: "
            "Redis has lost the end of its log",
        )
    if _number(first[0][0]) > cursor[:2]:
        return Alarm(
            "postgres_old",
            f"Postgres ends at event {name} and the outbox begins only at "
            f"{position.partition}-{first[0][0].decode()}: this Postgres is an old copy",
        )
    return Alarm(
        "fork", f"the outbox has events around {name}, and not that one: this Redis is on a fork of the log"
    )


async def read_from(
    transport: Transport, stream: str, partition: int, start: str, count_max: int
) -> list[Event]:
    """At most `count_max` events from the entry `start` on (`-`: the first one; behind `(`: the one after it).

    Whether they follow each other is not looked at. Raises Alarm for an entry that is no event.
    """
    entries = await _entries(transport, "XRANGE", stream, start, "+", "COUNT", count_max)
    return await beside(partial(_decode_all, partition), entries)


async def trim(
    transport: Transport, connection: asyncpg.Connection, stream: str, partition: int, kept: int
) -> None:
    """Drop the entries that Postgres holds, all but the last `kept` of them."""
    oldest = await connection.fetchrow(_KEPT_FROM, partition, kept - 1)
    if oldest is not None:
        await transport.call(
            "XTRIM", stream, "MINID", f"{oldest['epoch']}-{oldest['seq']}", timeout_s=READ_TIMEOUT_S
        )


async def _range(transport: Transport, stream: str, start: str, count_max: int) -> list[Any]:
    """So many entries, in parts: while Redis makes a reply, everybody else waits."""
    entries: list[Any] = []
    while len(entries) < count_max:
        count = min(count_max - len(entries), _ENTRIES_PER_REPLY)
        part = await _entries(transport, "XRANGE", stream, start, "+", "COUNT", count)
        entries += part
        if len(part) < count:
            break
        start = f"({part[-1][0].decode()}"
    return entries


async def _entries(transport: Transport, *command: str | int) -> list[Any]:
    reply = await transport.call(*command, timeout_s=READ_TIMEOUT_S)
    assert isinstance(reply, list)
    return reply


def _number(entry: bytes) -> tuple[int, int]:
    epoch, _, seq = entry.partition(b"-")
    return int(epoch), int(seq)


def _decode(partition: int, entry: bytes, fields: list[bytes]) -> Event:
    try:
        return decode_entry(partition, entry, fields)
    except (ValueError, OverflowError) as error:
        raise Alarm("not_an_event", f"partition {partition}: {error}") from error


def _decode_all(partition: int, entries: Sequence[Any]) -> list[Event]:
    return [_decode(partition, entry, fields) for entry, fields in entries]


def _require_first(events: list[Event], position: Position) -> None:
    """Without a cursor the log must begin with the first event of an epoch that this Postgres has handed out."""
    if events and (events[0].id.seq != 0 or events[0].id.epoch > position.taken_epoch):
        raise Alarm(
            "postgres_empty",
            f"Postgres has no event and Redis has events from {events[0].id} on: "
            "use the Postgres that belongs to it, or restore that from its backup",
        )


def _of_one_epoch(events: list[Event], position: Position) -> list[Event]:
    """The events up to the end of the first one's epoch. Raises Alarm at a gap."""
    epoch, seq = position.cursor[:2] if position.cursor else (0, -1)
    for index, event in enumerate(events):
        if event.id.seq != (seq + 1 if event.id.epoch <= epoch else 0):
            after = "the beginning" if seq < 0 else str(EventId(position.partition, epoch, seq))
            raise Alarm("gap", f"event {event.id} follows {after}: events between them are missing")
        if index > 0 and event.id.epoch > epoch:
            return events[:index]
        epoch, seq = event.id.epoch, event.id.seq
    return events
