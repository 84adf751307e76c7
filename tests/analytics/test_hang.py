"""A ClickHouse that takes connections and says nothing: the odds say so, and do not blame the days."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest

from croupier.analytics import odds
from croupier.clickhouse import ClickHouse
from croupier.command import Caller
from croupier.errors import CroupierError
from croupier.query import Sources
from croupier_schemas.analytics import OddsQuery
from tests.analytics.town import ECONOMIES
from tests.commands.world import World

ADMIN = Caller(1, "STANDARD", "admin", b"", "")


@pytest.fixture
async def sources(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Sources]:
    """A casino, and a ClickHouse that never answers; a question may take a moment only."""
    monkeypatch.setattr(odds, "QUERY_TIMEOUT_S", 0.2)
    monkeypatch.setattr(
        ClickHouse.ask, "__kwdefaults__", {**(ClickHouse.ask.__kwdefaults__ or {}), "timeout_s": 0.2}
    )
    silent: list[asyncio.Task[None] | None] = []

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        silent.append(asyncio.current_task())
        await reader.read()
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    world = await World.of(redis_url, ECONOMIES[0])
    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    clickhouse = ClickHouse.of_url(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/croupier")
    yield Sources(world.engine, None, clickhouse)
    await clickhouse.close()
    server.close()
    await asyncio.gather(*filter(None, silent))
    await world.close()


async def test_given_a_clickhouse_that_hangs_when_asked_for_odds_then_it_is_said_that_it_cannot_answer(
    sources: Sources,
) -> None:
    with pytest.raises(CroupierError) as refused:
        await odds.odds(sources, ADMIN, OddsQuery())
    assert refused.value.code == "NOT_READY"
    assert "ClickHouse" in refused.value.message


async def test_given_banners_that_take_too_long_when_asked_for_odds_then_fewer_days_are_advised(
    sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def at_once(*_: Any, **__: Any) -> list[dict[str, str]]:
        return [{}]

    async def never(*_: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(odds, "as_of", at_once)
    monkeypatch.setattr(odds, "ask", at_once)
    monkeypatch.setattr(odds, "_compared", never)
    with pytest.raises(CroupierError, match="fewer days"):
        await odds.odds(sources, ADMIN, OddsQuery())
