"""What is counted per day: anew for every day of which events came, from rows that are there once."""

import datetime
import time
from typing import Final

import asyncpg
import structlog

from croupier.clickhouse import ClickHouse, ClickHouseError

log = structlog.get_logger(__name__)

COUNT_EVERY_S: Final = 2.0
PAUSE_PER_DURATION: Final = 10.0
"""A day of many events takes long to count: so many times as long, at least, no day is counted then."""

RETRY_S: Final = 5.0

_COUNT_TIMEOUT_S: Final = 300.0

_DAYS = "SELECT day, batch, nextval('clickhouse_versions') AS version FROM clickhouse_days ORDER BY day"
_DONE = "DELETE FROM clickhouse_days WHERE day = $1 AND batch = $2"

# `{day}` and `{version}` are put in as text: they are a date and a number of our own.
_COUNTS: Final = (
    """
    INSERT INTO games_daily_agg
    SELECT toDate(created_at), game, banner, currency, countIf(crash_point IS NULL),
        sum(toUInt64(draws)), uniqExact(player_id), sum(staked), sum(paid),
        {version}
    FROM game_events FINAL WHERE toDate(created_at) = '{day}' AND game != ''
    GROUP BY 1, game, banner, currency
    """,
    """
    INSERT INTO players_daily
    SELECT toDate(created_at), player_id, argMax(tier, (epoch, seq)), count(),
        min(created_at), max(created_at), {version}
    FROM game_events FINAL
    WHERE toDate(created_at) = '{day}' AND player_id != 0 AND tier != '' AND NOT startsWith(event_type, 'rewards.')
    GROUP BY 1, player_id
    """,
    """
    INSERT INTO purchases_daily_agg
    SELECT toDate(created_at), sku, currency, count(), uniqExact(player_id),
        sum(price_cents), sum(gems_granted), {version}
    FROM purchases WHERE toDate(created_at) = '{day}' AND gems_granted > 0
    GROUP BY 1, sku, currency
    """,
)


class Counting:
    """Counts days again, now and then."""

    def __init__(self, clickhouse: ClickHouse) -> None:
        self._clickhouse = clickhouse
        self._next_s = 0.0

    async def count_if_due(self, connection: asyncpg.Connection) -> None:
        """Count the days that got events, unless that was done a moment ago. What fails is tried again later."""
        begun_s = time.monotonic()
        if begun_s < self._next_s:
            return
        try:
            await count(connection, self._clickhouse)
        except ClickHouseError as error:
            log.warning("days cannot be counted", error=str(error))
            self._next_s = begun_s + RETRY_S
            return
        took_s = time.monotonic() - begun_s
        self._next_s = begun_s + max(COUNT_EVERY_S, PAUSE_PER_DURATION * took_s)


async def count(connection: asyncpg.Connection, clickhouse: ClickHouse) -> None:
    """Count every day anew that got events since it was counted last. Raises Away and Refused.

    A count that fails half-way, or comes late, harms nothing: the rows of a later one have a higher version.
    """
    for row in await connection.fetch(_DAYS):
        await count_day(clickhouse, row["day"], row["version"])
        await connection.execute(_DONE, row["day"], row["batch"])


async def count_day(clickhouse: ClickHouse, day: datetime.date, version: int) -> None:
    """Count one day (UTC) anew; `version` is higher than that of every count before. Raises Away and Refused."""
    for statement in _COUNTS:
        text = statement.replace("{day}", day.isoformat()).replace("{version}", str(version))
        await clickhouse.execute(text, timeout_s=_COUNT_TIMEOUT_S)
