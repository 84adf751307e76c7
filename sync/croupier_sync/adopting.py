"""Adopting: an operator lets Redis win over a Postgres that is an old copy, and whose next events Redis has trimmed.

Postgres takes over what Redis holds: the events that its outbox still has, and its durable state as the mirror. The
events between are lost to the log; what they did is not.
"""

from typing import Final, NamedTuple

import asyncpg

from croupier import partition as partitions
from croupier_schemas import keys
from croupier_sync.digests import COLUMNS, chained
from croupier_sync.errors import Alarm, Superseded, SyncError
from croupier_sync.installation import read_installation
from croupier_sync.outbox import CursorMissing, diagnosis, read_after, read_from
from croupier_sync.position import Cursor, Position, read_position
from croupier_sync.projector import Projector
from croupier_sync.rebuild import Progress, durable_keys, redis_entries
from croupier_sync.rows import EconomyRow
from croupier_sync.server import Server
from croupier_sync.tables import insert_economies

EVENTS_AT_ONCE: Final = 5_000
_TIMEOUT_S: Final = 600.0

_CLEAR = "DELETE FROM mirror WHERE partition = $1"
_MIRROR_COLUMNS = ("partition", "key", "field", "value", "epoch", "seq")
_ADVANCE = """
UPDATE partitions
SET epoch = $5, seq = $6, op_id = $7, ts_ms = $8, taken_epoch = greatest(taken_epoch, $5, $9)
WHERE partition = $1 AND (epoch, seq, op_id) IS NOT DISTINCT FROM ($2::bigint, $3::bigint, $4::bytea)
RETURNING true
"""
_RECORD = "INSERT INTO adoptions (partition, last_entry, first_entry) VALUES ($1, $2, $3)"


class AdoptionRefused(SyncError):
    """There is nothing to adopt; Postgres was not changed."""


class Gap(NamedTuple):
    """What Postgres would lack for good: the events after its `last` up to the `first` that Redis has."""

    partition: int
    last: str
    first: str


class Adopted(NamedTuple):
    """What Postgres has taken over."""

    gap: Gap
    events: int
    keys: int


async def find_gap(server: Server, connection: asyncpg.Connection, partition: int) -> Gap:
    """What an adoption would give up. Changes nothing.

    Raises AdoptionRefused where the partition is open, where it was not closed by the alarm `postgres_old`, or where a
    healer has not come to its end; InstallationMismatch, PartitionError, TransportError, and asyncpg's errors.
    """
    head = await partitions.read_head(server, partition)
    (await read_installation(connection)).require(partition, head)
    if head is None or head.fence or await partitions.is_being_healed(server, partition):
        raise AdoptionRefused(
            f"partition {partition} is open, empty, or being healed: there is nothing to adopt"
        )
    position = await read_position(connection, partition)
    stream = keys.outbox_closed(partition)
    try:
        await read_after(server.transport, stream, position, 1)
    except CursorMissing:
        alarm = await diagnosis(server.transport, stream, position)
    except Alarm as other:
        alarm = other
    else:
        raise AdoptionRefused(f"partition {partition} fits Postgres: the sync daemon opens it by itself")
    if alarm.reason != "postgres_old" or position.cursor is None:
        raise AdoptionRefused(f"an adoption does not help against {alarm.reason}: {alarm}")
    (first,) = await read_from(server.transport, stream, partition, "-", 1)
    return Gap(partition, position.cursor.entry, first.id.entry)


async def adopt(
    server: Server, connection: asyncpg.Connection, gap: Gap, progress: Progress | None = None
) -> Adopted:
    """Let Postgres take over what Redis holds, in one transaction; the sync daemon then opens the partition.

    `progress` is told keys. Raises AdoptionRefused where the gap is another one by now, Superseded where a daemon moved
    the cursor meanwhile, and what `find_gap` raises.
    """
    partition = gap.partition
    if await find_gap(server, connection, partition) != gap:
        raise AdoptionRefused(f"partition {partition} has changed; look again")
    position = await read_position(connection, partition)
    head = await partitions.read_head(server, partition)
    assert head is not None
    async with connection.transaction():
        await _take_economies(server, connection, partition)
        last, events = await _take_events(server, connection, position)
        written = await _take_state(server, connection, partition, last, progress)
        moved = await connection.fetchval(_ADVANCE, *position.compared, *last, head.epoch)
        if not moved:
            raise Superseded(f"the cursor of partition {partition} was moved by another daemon")
        await connection.execute(_RECORD, partition, gap.last, gap.first)
        # Of a partition that stood still all the while, keys and log are of one moment.
        if await partitions.read_head(server, partition) != head:
            raise AdoptionRefused(f"partition {partition} was opened meanwhile")
    return Adopted(gap, events, written)


async def _take_economies(server: Server, connection: asyncpg.Connection, partition: int) -> None:
    """Keep the economies that Redis has: the event that brought one may be among those that are lost."""
    names = [name for name in await durable_keys(server, partition) if keys.kind(name) == "economy"]
    held = [(name, await server.call("GET", name)) for name in names]
    rows = [
        EconomyRow(name.decode().rpartition(":")[2], form) for name, form in held if isinstance(form, bytes)
    ]
    if rows:
        await insert_economies(connection, rows)


async def _take_events(
    server: Server, connection: asyncpg.Connection, position: Position
) -> tuple[Cursor, int]:
    """Append the events of the outbox to Postgres' log, and their rows to the projections."""
    stream, projector = keys.outbox_closed(position.partition), Projector()
    last, count, digest, start = None, 0, b"", "-"
    while events := await read_from(server.transport, stream, position.partition, start, EVENTS_AT_ONCE):
        await projector.prepare(connection, events)
        rows = list(chained(digest, events))
        digest = rows[-1][-1]
        await connection.copy_records_to_table("events", records=rows, columns=(*COLUMNS, "digest"))
        await projector.write(connection, projector.project(events), carefully=True)
        last, count, start = Cursor.at(events[-1]), count + len(events), f"({events[-1].id.entry}"
    assert last is not None
    return last, count


async def _take_state(
    server: Server,
    connection: asyncpg.Connection,
    partition: int,
    cursor: Cursor,
    progress: Progress | None,
) -> int:
    """Make the mirror what Redis holds. Which event wrote a key is not known: it counts as the last one."""
    await connection.execute(_CLEAR, partition, timeout=_TIMEOUT_S)
    names: set[bytes] = set()
    async for entries in redis_entries(server, partition, progress):
        names.update(key for key, _, _ in entries)
        records = [
            (partition, key.decode(), field.decode(), value, cursor.epoch, cursor.seq)
            for key, field, value in entries
        ]
        await connection.copy_records_to_table(
            "mirror", records=records, columns=_MIRROR_COLUMNS, timeout=_TIMEOUT_S
        )
    return len(names)
