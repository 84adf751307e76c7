"""Days counted anew, beside the inserts: one that cannot be, or takes long, holds up nothing else."""

import asyncio
import datetime

import pytest

from croupier.clickhouse import Away, ClickHouse
from croupier_sync.export import counting
from tests.export.olap import Olap
from tests.export.support import repeated
from tests.sync.support import until

EARLY = datetime.date(2001, 1, 1)


async def mark(olap: Olap) -> None:
    await olap.connection.execute("INSERT INTO clickhouse_days VALUES ($1, 0)", EARLY)


async def left(olap: Olap) -> list[datetime.date]:
    return [row["day"] for row in await olap.connection.fetch("SELECT day FROM clickhouse_days ORDER BY day")]


async def test_given_a_day_that_cannot_be_counted_when_counting_then_later_days_are_and_it_is_tried_again(
    olap: Olap, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "RETRY_S", 0.1)
    count_day, attempts, broken = counting.count_day, 0, True

    async def fail_early(clickhouse: ClickHouse, day: datetime.date, version: int) -> None:
        nonlocal attempts
        if day == EARLY and broken:
            attempts += 1
            raise Away("memory limit exceeded")
        await count_day(clickhouse, day, version)

    async def only_early_left() -> bool:
        return attempts >= 2 and await left(olap) == [EARLY]

    monkeypatch.setattr(counting, "count_day", fail_early)
    async with olap.exporting():
        await olap.until_in_clickhouse()
        await mark(olap)
        await olap.append(repeated(olap.log, 100))
        await olap.until_in_clickhouse()
        await until(only_early_left, "all other days to be counted")
        await olap.require_days_counted()
        broken = False
        await olap.until_counted()


async def test_given_a_day_that_takes_long_to_count_when_events_come_then_they_are_inserted_meanwhile(
    olap: Olap, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, done = asyncio.Event(), asyncio.Event()
    count_day = counting.count_day

    async def slowly(clickhouse: ClickHouse, day: datetime.date, version: int) -> None:
        begun.set()
        await done.wait()
        await count_day(clickhouse, day, version)

    monkeypatch.setattr(counting, "count_day", slowly)
    async with olap.exporting():
        async with asyncio.timeout(20):
            await begun.wait()
        await olap.append(repeated(olap.log, 100))
        await olap.until_in_clickhouse()
        done.set()
        await olap.until_counted()
    await olap.require_days_counted()
    await olap.require_each_event_once()
