"""Reading the event log from Postgres, in order."""

from collections.abc import Sequence
from typing import Final

import asyncpg

from croupier.event_log import event_of_row
from croupier_schemas.events import Event, EventId
from croupier_sync.export.cursors import Place

CHANGES_BYTES_MAX: Final = 16_384
"""Of an event that changed more, such as a push of an economy, the after-images are left out: a batch stays small."""

# Rows of one partition become visible in their order: the sync daemon writes each batch in one transaction.
_COLUMNS = f"""
partition, epoch, seq, ts_ms, created, type, uid, tier, op_id, '' AS idempotency_key, ''::bytea AS request_hash,
  economy, rules, terms, result,
  CASE WHEN length(changes) <= {CHANGES_BYTES_MAX} THEN changes ELSE '\\x90' END AS changes
"""
_AFTER = f"""
SELECT {_COLUMNS} FROM events WHERE partition = $1 AND (epoch, seq) > ($2, $3)
ORDER BY epoch, seq LIMIT $4
"""
_OF_IDS = f"""
SELECT {_COLUMNS} FROM events JOIN unnest($1::int[], $2::bigint[], $3::bigint[]) AS wanted (partition, epoch, seq)
  USING (partition, epoch, seq)
ORDER BY partition, epoch, seq
"""
_ENDS = """
SELECT partition, last.epoch, last.seq FROM (SELECT partition FROM partitions) AS each, LATERAL (
  SELECT epoch, seq FROM events WHERE events.partition = each.partition ORDER BY epoch DESC, seq DESC LIMIT 1
) AS last
"""


async def read_after(
    connection: asyncpg.Connection, partition: int, place: Place, events_max: int
) -> list[Event]:
    """The events that follow a place, in order; without idempotency keys and request hashes, which no sink gets."""
    rows = await connection.fetch(_AFTER, partition, *place, events_max)
    return [event_of_row(EventId(partition, row["epoch"], row["seq"]), row) for row in rows]


async def read_events(connection: asyncpg.Connection, ids: Sequence[EventId]) -> list[Event]:
    """Those of these events that the log has, in the order of the log; without keys and hashes, as above."""
    places = [[getattr(id_, name) for id_ in ids] for name in ("partition", "epoch", "seq")]
    rows = await connection.fetch(_OF_IDS, *places)
    return [event_of_row(EventId(row["partition"], row["epoch"], row["seq"]), row) for row in rows]


async def read_ends(connection: asyncpg.Connection) -> dict[int, Place]:
    """The place of the last event of each partition that has any."""
    return {row["partition"]: Place(row["epoch"], row["seq"]) for row in await connection.fetch(_ENDS)}
