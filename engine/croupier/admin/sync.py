"""What the sync daemons do and did: from Postgres alone, so that it answers while Redis is away."""

import datetime
from typing import Final

import asyncpg

from croupier.clock import utc
from croupier.command import Caller
from croupier.paging import AS_OF, QUERY_TIMEOUT_S
from croupier.partition_state import partition_states
from croupier.postgres import asking_postgres
from croupier.query import NoParams, Query, Sources
from croupier_schemas.admin import Adoption, DeadLetterItem, Heal, PartitionStatus, SyncReply
from croupier_schemas.events import EventId

LISTED_MAX: Final = 50

_POSITIONS = "SELECT partition, taken_epoch, epoch, seq, ts_ms FROM partitions"
_NOW = f"SELECT {AS_OF}"
_HEALS = f"""
SELECT count(*) OVER () AS total, partition, epoch, cause, cardinality(forked) AS undone, missing, rebuilt, started_at,
  seconds
FROM heals ORDER BY epoch DESC, partition LIMIT {LISTED_MAX}
"""
_ADOPTIONS = f"""
SELECT count(*) OVER () AS total, partition, last_entry, first_entry, adopted_at
FROM adoptions ORDER BY adopted_at DESC LIMIT {LISTED_MAX}
"""
_DEAD_LETTERS = f"""
SELECT count(*) OVER () AS total, partition, epoch, seq, projection, error, created_at, replays
FROM projection_failures ORDER BY created_at DESC, epoch DESC, seq DESC LIMIT {LISTED_MAX}
"""


async def sync(sources: Sources, _caller: Caller, _params: NoParams) -> SyncReply:
    """Partitions, heals, adoptions and dead letters. Raises CroupierError NOT_READY."""
    with asking_postgres():
        states = await partition_states(sources.pool)
        positions = await sources.pool.fetch(_POSITIONS, timeout=QUERY_TIMEOUT_S)
        heals, adoptions, letters = [
            await sources.pool.fetch(statement, timeout=QUERY_TIMEOUT_S)
            for statement in (_HEALS, _ADOPTIONS, _DEAD_LETTERS)
        ]
        as_of = utc(await sources.pool.fetchval(_NOW, 0, timeout=QUERY_TIMEOUT_S))
    of_partition = {row["partition"]: row for row in positions}
    return SyncReply(
        partitions=[
            PartitionStatus(*state, *_position(of_partition[state.partition]))
            for state in states
            if state.partition in of_partition
        ],
        heals=[Heal(*list(row.values())[1:]) for row in heals],
        heals_total=_total(heals),
        adoptions=[
            Adoption(
                row["partition"],
                f"{row['partition']}-{row['last_entry']}",
                f"{row['partition']}-{row['first_entry']}",
                row["adopted_at"],
            )
            for row in adoptions
        ],
        adoptions_total=_total(adoptions),
        dead_letters=[
            DeadLetterItem(
                str(EventId(row["partition"], row["epoch"], row["seq"])),
                *(row[name] for name in ("projection", "error", "created_at", "replays")),
            )
            for row in letters
        ],
        dead_letters_total=_total(letters),
        as_of=as_of,
    )


def _position(row: asyncpg.Record) -> tuple[int, str | None, datetime.datetime | None]:
    """The last epoch handed out, the last event that Postgres has, and its time."""
    if row["epoch"] is None:
        return row["taken_epoch"], None, None
    last = EventId(row["partition"], row["epoch"], row["seq"])
    return row["taken_epoch"], str(last), utc(row["ts_ms"])


def _total(rows: list[asyncpg.Record]) -> int:
    return rows[0]["total"] if rows else 0


SYNC = Query(
    name="admin.sync",
    path="/api/admin/sync",
    summary="Partitions, heals, adoptions and dead letters",
    params=NoParams,
    reply=SyncReply,
    answer=sync,
    access="admin",
)
