"""A casino that was played in, its events in ClickHouse, and questions to be asked of it."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator

import pytest

from croupier.clickhouse import ClickHouse
from croupier.query import Sources
from croupier_cli.embedded.clickhouse import ClickHouse as ClickHouseServer
from croupier_cli.embedded.valkey import Valkey
from tests.analytics.filled import fill
from tests.analytics.town import ECONOMIES, NOW_MS, Played, play
from tests.commands.world import World
from tests.redis_server import administrator


@pytest.fixture(scope="session")
def clickhouse_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseServer]:
    """This worker's ClickHouse: do not stop it, and leave what is in its database as it is."""
    directory = tmp_path_factory.mktemp("clickhouse")
    with ClickHouseServer.start(directory) as server:
        yield server
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def played(valkey: Valkey, clickhouse_server: ClickHouseServer) -> Played:
    """The events of 40 days; ClickHouse holds them, some of them twice."""

    with administrator(valkey.url) as client:
        client.flushall()
    town = play(valkey.url)

    async def filled() -> None:
        clickhouse = ClickHouse.of_url(clickhouse_server.url)
        try:
            await fill(clickhouse, town.events, ECONOMIES)
        finally:
            await clickhouse.close()

    asyncio.run(filled())
    return town


@pytest.fixture
async def sources(
    played: Played, redis_url: str, clickhouse_server: ClickHouseServer
) -> AsyncIterator[Sources]:
    """What a worker reads from, on the evening of the last day."""
    world = await World.of(redis_url, ECONOMIES[0])
    for economy in ECONOMIES[1:]:
        await world.push(economy)
    world.clock.now_ms = NOW_MS
    clickhouse = ClickHouse.of_url(clickhouse_server.url)
    yield Sources(world.engine, None, clickhouse)
    await clickhouse.close()
    await world.close()
