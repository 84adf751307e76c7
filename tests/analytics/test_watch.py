"""The alarm: draws that are not as disclosed have a p-value that no chance gives, and the metrics say it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from croupier.analytics.odds import odds
from croupier.analytics.watch import OddsWatch, smallest
from croupier.clickhouse import ClickHouse
from croupier.query import Sources
from croupier_cli.embedded.clickhouse import ClickHouse as ClickHouseServer
from croupier_http.odds_gauge import OddsGauge
from croupier_schemas.analytics import OddsQuery
from croupier_schemas.events import Event
from tests.analytics.filled import fill
from tests.analytics.rigged import with_fewer_rares, with_one_common_item
from tests.analytics.test_questions import ADMIN
from tests.analytics.town import DAYS, ECONOMIES, Played, of_type
from tests.http.support import until

RIGGED: dict[str, tuple[Callable[[Sequence[Event]], list[Event]], str, str]] = {
    "rarities": (with_fewer_rares, "rarities", "items"),
    "items": (with_one_common_item, "items", "rarities"),
}


@pytest.fixture(params=sorted(RIGGED))
async def rigged(
    request: pytest.FixtureRequest, sources: Sources, played: Played, clickhouse_server: ClickHouseServer
) -> AsyncIterator[tuple[Sources, str, str]]:
    """What a worker reads from where draws were rigged, the test that must see it, and the one that must not."""
    change, off, sound = RIGGED[request.param]
    url = f"{clickhouse_server.url.rpartition('/')[0]}/rigged_{request.param}"
    clickhouse = ClickHouse.of_url(url)
    await fill(clickhouse, change(of_type(played.events, "gacha.pulled")), ECONOMIES, count=False)
    yield Sources(sources.engine, None, clickhouse), off, sound
    await clickhouse.execute(f"DROP DATABASE {clickhouse.address.database}", timeout_s=20)
    await clickhouse.close()


async def test_given_rigged_draws_when_odds_are_asked_for_then_the_right_test_says_so_and_the_other_does_not(
    rigged: tuple[Sources, str, str],
) -> None:
    sources, off, sound = rigged

    p_values = smallest((await odds(sources, ADMIN, OddsQuery(DAYS))).items)

    assert min(p for tested, p in p_values.items() if tested.test == off) < 1e-9
    assert min(p for tested, p in p_values.items() if tested.test == sound) > 1e-5


async def test_given_somebody_who_reads_the_metrics_when_it_is_time_then_clickhouse_is_asked_once_and_they_say_it(
    sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0
    ask = ClickHouse.ask

    async def counted(self: ClickHouse, *args: object, **kwargs: object) -> object:
        nonlocal asked
        asked += 1
        return await ask(self, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(ClickHouse, "ask", counted)
    watch = OddsWatch(sources)
    watching = asyncio.create_task(watch.keep_watching())
    try:
        for _ in range(10):
            await asyncio.sleep(0)
        assert asked == 0

        async def known() -> bool:
            return bool(watch.read())

        await until(known, "p-values")
        p_values, after_first = watch.read(), asked
        for _ in range(100):
            watch.read()
            await asyncio.sleep(0)
        assert asked == after_first
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
    assert p_values == smallest((await odds(sources, ADMIN, OddsQuery(7))).items)
    registry = CollectorRegistry()
    registry.register(OddsGauge(p_values))
    text = generate_latest(registry).decode()
    for tested, p_value in p_values.items():
        assert f'fairness_odds_p_value{{banner="{tested.banner}",test="{tested.test}"}} {p_value}' in text
    assert {tested.banner for tested in p_values} == {"main", "plain"}


async def test_given_a_server_without_clickhouse_when_the_metrics_are_read_then_there_is_no_p_value(
    sources: Sources,
) -> None:
    watch = OddsWatch(Sources(sources.engine, None))
    watching = asyncio.create_task(watch.keep_watching())
    try:
        assert watch.read() == {}
        await asyncio.sleep(0)
        assert not watching.done()
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
    assert smallest([]) == {}
