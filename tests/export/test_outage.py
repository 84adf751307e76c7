"""ClickHouse away for minutes while players play: they notice nothing, Postgres keeps up, and nothing is lost.

Minutes are counted in the attempts that the sink makes in them: in vain so many times, with short pauses, as it would
be with the usual ones. `CROUPIER_TEST_EXPORT_OUTAGE_S` makes it so many real seconds as well, with the usual pauses;
then `-s` tells what happened in them.
"""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from croupier_cli.embedded import Kafka
from croupier_cli.embedded.clickhouse import ClickHouse as Server
from croupier_sync.export import writer
from croupier_sync.export.clickhouse import ClickHouseSink
from croupier_sync.limits import RETRY_PAUSE_MAX_S, Limits
from tests.export.olap import Olap, olap_of
from tests.export.support import LIMITS
from tests.sync.support import Casino

OUTAGE_S = float(os.environ.get("CROUPIER_TEST_EXPORT_OUTAGE_S", "0"))
ATTEMPTS = 0 if OUTAGE_S else round(120 / RETRY_PAUSE_MAX_S)
"""What two minutes come to."""

PLAYERS = (1, 2, 3)
_SHORT = replace(LIMITS, export_pause_max_s=0.01)
_PULL_PAUSE_S = 0.05 if OUTAGE_S else 0.01
# What Kafka then holds is in `test_sink_failures` too.
_WAYS = ("straight", "kafka") if OUTAGE_S else ("straight",)


@pytest.fixture
async def own(tmp_path: Path, database_url: str, connection: asyncpg.Connection) -> AsyncIterator[Olap]:
    """The casino's Postgres, and a ClickHouse of the test's own."""
    with Server.start(tmp_path / "clickhouse") as server:
        async with olap_of(server, database_url, connection) as olap:
            yield olap


class Attempts:
    """Counts how often the sink is served."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.count = 0
        follow = ClickHouseSink.follow

        async def counted(sink: ClickHouseSink, connection: asyncpg.Connection, stop: asyncio.Event) -> None:
            self.count += 1
            await follow(sink, connection, stop)

        patch.setattr(ClickHouseSink, "follow", counted)


async def play(casino: Casino, goes_on: Callable[[], bool]) -> list[float]:
    """Players pull, and none is refused; how many seconds each pull took."""
    took_s = []
    while goes_on():
        for uid in PLAYERS:
            begun_s = time.monotonic()
            await casino.pull(uid)
            took_s.append(time.monotonic() - begun_s)
        await asyncio.sleep(_PULL_PAUSE_S)
    return took_s


@pytest.mark.timeout(120 + OUTAGE_S)
@pytest.mark.parametrize("way", _WAYS)
async def test_given_clickhouse_down_for_minutes_when_players_play_then_only_clickhouse_lags_and_it_gets_all(
    casino: Casino,
    own: Olap,
    kafka: Kafka,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
) -> None:
    own.kafka = kafka if way == "kafka" else None
    attempts = Attempts(monkeypatch)
    async with casino.daemon(), own.exporting(Limits() if OUTAGE_S else _SHORT) as sinks:
        await casino.until_open()
        rounds = iter(range(10))
        before_s = await play(casino, lambda: next(rounds, None) is not None)
        await casino.until_caught_up()
        own.log = await casino.log()
        await own.until_in_clickhouse()
        own.server.kill()
        attempts.count, end_s = 0, time.monotonic() + OUTAGE_S
        during_s = await play(casino, lambda: attempts.count < ATTEMPTS or time.monotonic() < end_s)
        await casino.until_caught_up()
        assert sinks[-1].status.state == "unreachable"
        before, own.log = len(own.log), await casino.log()
        with Server.start(tmp_path / "clickhouse", port=own.server.port):
            back_s = time.monotonic()
            await own.until_in_clickhouse()
            print(
                f"{len(own.log) - before} events while ClickHouse was away for {back_s - end_s + OUTAGE_S:.1f} s, "
                f"{attempts.count} attempts; all there {time.monotonic() - back_s:.1f} s after its return; "
                f"median of a pull {median_ms(before_s):.2f} ms before, {median_ms(during_s):.2f} ms meanwhile"
            )
            await own.until_counted()
            await own.require_each_event_once()
            await own.require_days_counted()
    assert await own.connection.fetchval("SELECT count(*) FROM export_failures") == 0


async def test_given_clickhouse_that_hangs_when_players_play_then_only_clickhouse_lags_and_it_gets_all(
    casino: Casino, own: Olap, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "INSERT_TIMEOUT_S", 0.5)
    async with casino.daemon(), own.exporting(_SHORT) as (sink,):
        await casino.until_open()
        await casino.pull(1)
        await casino.until_caught_up()
        own.log = await casino.log()
        await own.until_in_clickhouse()
        os.kill(own.server.pid, signal.SIGSTOP)
        try:
            await play(casino, lambda: sink.status.state != "unreachable")
            await casino.until_caught_up()
        finally:
            os.kill(own.server.pid, signal.SIGCONT)
        own.log = await casino.log()
        await own.until_in_clickhouse()
        await own.until_counted()
        await own.require_each_event_once()
    assert await own.connection.fetchval("SELECT count(*) FROM export_failures") == 0


def median_ms(seconds: list[float]) -> float:
    return 1000 * sorted(seconds)[len(seconds) // 2]
