"""How far the sinks have come, as the daemons have written it into Postgres; and what that could not project itself."""

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import asyncpg

from croupier.paging import QUERY_TIMEOUT_S
from croupier.postgres import fetch
from croupier_schemas.events import EventId

if TYPE_CHECKING:
    from croupier.settings import Settings

SILENCE_MAX_S: Final = 10.0
"""A daemon that has written nothing for so long is not there, whatever it wrote last; it does so every second."""

_DEAD_LETTERS: Final = "SELECT count(*) FROM projection_failures"
# A batch for ClickHouse that is still to be inserted lacks there, though the cursor may stand beyond it. And within an
# epoch events are numbered without gaps from 0, so those that are left are not counted one by one.
_PROGRESS = """
SELECT sinks.sink, sinks.state, sinks.detail, sinks.since,
  extract(epoch FROM clock_timestamp() - sinks.seen_at)::float8 AS silent_s,
  partitions.partition, cursor.epoch, cursor.seq,
  coalesce(behind.events, 0)::bigint AS events,
  coalesce((extract(epoch FROM clock_timestamp()) - oldest.ts_ms / 1000.0)::float8, 0) AS seconds,
  (SELECT count(*) FROM export_failures WHERE sink = sinks.sink) AS dead_letters,
  clock_timestamp() AS as_of
FROM sinks CROSS JOIN partitions
LEFT JOIN sink_cursors AS cursor ON (cursor.sink, cursor.partition) = (sinks.sink, partitions.partition)
CROSS JOIN LATERAL (
    SELECT coalesce(cursor.epoch, 0) AS epoch, coalesce(cursor.seq, -1) AS seq
    UNION ALL
    SELECT epoch, seq - 1 FROM clickhouse_batches
    WHERE sinks.sink = 'clickhouse' AND partition = partitions.partition
    ORDER BY epoch, seq LIMIT 1
) AS held
LEFT JOIN LATERAL (
    WITH RECURSIVE epochs AS (
        SELECT held.epoch AS epoch, held.seq AS taken
        UNION ALL
        SELECT (SELECT min(epoch) FROM events WHERE partition = partitions.partition AND epoch > epochs.epoch), -1
        FROM epochs WHERE epochs.epoch < partitions.epoch
    )
    SELECT sum(greatest(0, (
        SELECT max(seq) FROM events WHERE partition = partitions.partition AND events.epoch = epochs.epoch
    ) - taken)) AS events
    FROM epochs
) AS behind ON true
LEFT JOIN LATERAL (
    SELECT ts_ms FROM events
    WHERE partition = partitions.partition AND (epoch, seq) > (held.epoch, held.seq)
    ORDER BY epoch, seq LIMIT 1
) AS oldest ON true
WHERE sinks.sink = ANY($1::text[])
ORDER BY sinks.sink, partitions.partition
"""


class SinkProgress(NamedTuple):
    """One sink. `cursor` is the last event up to which it has all, in the first partition; None before the first one.

    `state` is `following` when all is well, and `detail` says why it is not. `silent_s` is the time in seconds since a
    daemon last wrote this; None: none ever has. Lag: events that it may lack, and the age of the oldest of them.
    """

    sink: str
    state: str
    detail: str
    since: datetime.datetime
    silent_s: float | None
    cursor: str | None
    lag_events: int
    lag_seconds: float
    dead_letters: int
    as_of: datetime.datetime

    @property
    def said(self) -> str:
        """The state, as far as it can still be believed: `silent` where no daemon says it now."""
        return "silent" if self.silent_s is None or self.silent_s > SILENCE_MAX_S else self.state

    @property
    def is_served(self) -> bool:
        """Whether a daemon carries events to it now."""
        return self.said == "following"


async def sink_progress(pool: asyncpg.Pool, sinks: Sequence[str]) -> list[SinkProgress]:
    """These sinks. Raises asyncpg's errors, OSError and TimeoutError."""
    found: dict[str, SinkProgress] = {}
    for row in await fetch(pool, _PROGRESS, sinks, timeout_s=QUERY_TIMEOUT_S):
        before = found.get(row["sink"])
        events, seconds = row["events"], max(0.0, row["seconds"])
        if before is not None:
            found[row["sink"]] = before._replace(
                lag_events=before.lag_events + events, lag_seconds=max(before.lag_seconds, seconds)
            )
            continue
        has_any = row["seq"] is not None and row["seq"] >= 0
        found[row["sink"]] = SinkProgress(
            sink=row["sink"],
            state=row["state"],
            detail=row["detail"],
            since=row["since"],
            silent_s=row["silent_s"],
            cursor=str(EventId(row["partition"], row["epoch"], row["seq"])) if has_any else None,
            lag_events=events,
            lag_seconds=seconds,
            dead_letters=row["dead_letters"],
            as_of=row["as_of"].astimezone(datetime.UTC),
        )
    return list(found.values())


def sinks_on(settings: "Settings") -> list[str]:
    """The names of the sinks that are on."""
    on = {"kafka": settings.kafka_on, "clickhouse": settings.clickhouse_on}
    return [sink for sink, is_on in on.items() if is_on]


async def dead_letters(pool: asyncpg.Pool) -> int:
    """What Postgres could not project, by event and projection. Raises asyncpg's errors, OSError and TimeoutError."""
    found: int = await pool.fetchval(_DEAD_LETTERS, timeout=QUERY_TIMEOUT_S)
    return found
