"""What is counted per day: anew for every day of which events came, from rows that are there once."""

import asyncio
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


async def count_on(connection: asyncpg.Connection, clickhouse: ClickHouse) -> None:
    """Count the days that got events, again and again, beside the inserts. Ends only by being cancelled.

    A day that cannot be counted is tried again later, and holds up no other one. Raises asyncpg's errors.
    """
    while True:
        begun_s = time.monotonic()
        complete = await count(connection, clickhouse)
        took_s = time.monotonic() - begun_s
        await asyncio.sleep(max(COUNT_EVERY_S, PAUSE_PER_DURATION * took_s) if complete else RETRY_S)


async def count(connection: asyncpg.Connection, clickhouse: ClickHouse) -> bool:
    """Count every day anew that got events since it was counted last. False where one of them could not be.

    A count that fails half-way, or comes late, harms nothing: the rows of a later one have a higher version.
    """
    complete = True
    for row in await connection.fetch(_DAYS):
        try:
            await count_day(clickhouse, row["day"], row["version"])
        except ClickHouseError as error:
            log.warning("a day cannot be counted", day=str(row["day"]), error=str(error))
            complete = False
        else:
            await connection.execute(_DONE, row["day"], row["batch"])
    return complete


async def count_day(clickhouse: ClickHouse, day: datetime.date, version: int) -> None:
    """Count one day (UTC) anew; `version` is higher than that of every count before. Raises Away and Refused."""
    for statement in _COUNTS:
        text = statement.replace("{day}", day.isoformat()).replace("{version}", str(version))
        await clickhouse.execute(text, timeout_s=_COUNT_TIMEOUT_S)
