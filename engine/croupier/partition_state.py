"""What the sync daemons have last said of the partitions."""

import datetime
from typing import NamedTuple

import asyncpg

from croupier.paging import QUERY_TIMEOUT_S

_READ = """
SELECT partition, state, reason, detail, since, extract(epoch FROM clock_timestamp() - seen_at)::float8 AS silent_s
FROM partitions ORDER BY partition
"""
_HEALS = "SELECT cause, count(*) AS heals FROM heals WHERE seconds IS NOT NULL GROUP BY cause"


class PartitionState(NamedTuple):
    """One partition, in the words of the daemon that owned it last.

    `state` is `following` when all is well and `stopped` by an alarm, which `reason` names and `detail` explains to
    the operator. `since` is when state and reason began. `silent_s` is the time in seconds since the daemon last
    wrote, which it does every second or so: a long silence means that no daemon follows, whatever the state says.
    None: no daemon has ever written.
    """

    partition: int
    state: str
    reason: str
    detail: str
    since: datetime.datetime
    silent_s: float | None


async def partition_states(pool: asyncpg.Pool) -> list[PartitionState]:
    """All partitions, by number. Raises asyncpg's errors, OSError and TimeoutError."""
    rows = await pool.fetch(_READ, timeout=QUERY_TIMEOUT_S)
    return [PartitionState(*row) for row in rows]


async def heals(pool: asyncpg.Pool) -> dict[str, int]:
    """How often partitions were healed, by cause. Raises asyncpg's errors, OSError and TimeoutError."""
    return {row["cause"]: row["heals"] for row in await pool.fetch(_HEALS, timeout=QUERY_TIMEOUT_S)}
