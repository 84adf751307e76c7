"""Where the log of a closed partition and that of Postgres part: the last event of both, and what each has beyond."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import asyncpg

from croupier_schemas import keys
from croupier_schemas.events import Event, EventId, decode_entry
from croupier_sync.outbox import READ_TIMEOUT_S
from croupier_sync.server import Server

CHUNK = 1_000

_HELD = """
SELECT e.epoch, e.seq, e.op_id
FROM events e JOIN unnest($2::bigint[], $3::bigint[]) AS wanted(epoch, seq) USING (epoch, seq)
WHERE e.partition = $1
"""
_MISSING = "SELECT count(*) FROM events WHERE partition = $1 AND (epoch, seq) > ($2::bigint, $3::bigint)"


class Forked(NamedTuple):
    """An entry of Redis that Postgres does not have: the keys that its event changed, and its idempotency key.

    Both are as Redis names them; `idempotency` is empty where there is none.
    """

    entry: str
    changed: tuple[str, ...]
    idempotency: str


class Comparison(NamedTuple):
    """Two logs of one partition.

    `last_entry` is the last one of the closed outbox, empty where that has none. `common` is the last event that both
    have; None where there is none, or where nothing follows from it, because an entry beyond it is no event. `forked`
    is what Redis alone has, newest first. `missing` is how many events Postgres alone has; None without `common`.
    """

    last_entry: str
    common: EventId | None
    forked: list[Forked]
    missing: int | None


async def compare(server: Server, connection: asyncpg.Connection, partition: int) -> Comparison:
    """Walk the closed outbox from its end backwards until an entry is an event of Postgres, by id and operation id.

    An operation id is given to one attempt, which appends at most one event; so two logs that have the same one in the
    same place are the same up to there.
    """
    forked: list[Forked] = []
    last_entry, end, readable = "", "+", True
    while entries := await _entries_back_from(server, partition, end):
        last_entry = last_entry or entries[0][0].decode()
        end = f"({entries[-1][0].decode()}"
        held = await _held(connection, partition, [entry for entry, _ in entries])
        for entry, fields in entries:
            event = _decoded(partition, entry, fields)
            if event is None:
                readable = False
                forked.append(Forked(entry.decode(), (), ""))
            elif held.get((event.id.epoch, event.id.seq)) == event.header.op_id:
                return await _parted_at(connection, last_entry, event.id if readable else None, forked)
            else:
                forked.append(_forked(event))
    return Comparison(last_entry, None, forked, None)


async def _parted_at(
    connection: asyncpg.Connection, last_entry: str, common: EventId | None, forked: list[Forked]
) -> Comparison:
    if common is None:
        return Comparison(last_entry, None, forked, None)
    missing = await connection.fetchval(_MISSING, common.partition, common.epoch, common.seq)
    return Comparison(last_entry, common, forked, missing)


async def _entries_back_from(server: Server, partition: int, end: str) -> Sequence[Any]:
    reply = await server.call(
        "XREVRANGE", keys.outbox_closed(partition), end, "-", "COUNT", CHUNK, timeout_s=READ_TIMEOUT_S
    )
    assert isinstance(reply, list)
    return reply


async def _held(
    connection: asyncpg.Connection, partition: int, entries: Sequence[bytes]
) -> dict[tuple[int, int], bytes]:
    """The operation ids that Postgres has under these ids, by (epoch, seq)."""
    ids = [EventId.of_entry(partition, entry) for entry in entries]
    rows = await connection.fetch(_HELD, partition, [each.epoch for each in ids], [each.seq for each in ids])
    return {(row["epoch"], row["seq"]): row["op_id"] for row in rows}


def _decoded(partition: int, entry: bytes, fields: Sequence[bytes]) -> Event | None:
    try:
        return decode_entry(partition, entry, fields)
    except (ValueError, OverflowError):
        return None


def _forked(event: Event) -> Forked:
    header, partition = event.header, event.id.partition
    key = header.idempotency_key
    return Forked(
        event.id.entry,
        tuple({change.key for change in event.changes}),
        keys.idempotency(partition, header.uid, key) if key else "",
    )
