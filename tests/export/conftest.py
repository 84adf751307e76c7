"""Fixtures for the tests of what leaves Postgres."""

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from croupier.transport import Transport
from croupier_cli.embedded import Kafka
from croupier_cli.embedded.clickhouse import ClickHouse
from croupier_schemas.events import Event
from croupier_sync.migrations import migrate
from tests.export.olap import Olap, fill, olap_of, until_read_in_kafka
from tests.export.support import QUICK, Exported, played
from tests.sync.support import Casino


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The export does not wait for more to come."""
    for module, name, value in QUICK:
        monkeypatch.setattr(module, name, value)


@pytest.fixture
def kafka(tmp_path: Path) -> Iterator[Kafka]:
    """An empty broker of the test's own, which it may kill."""
    broker = Kafka.start(tmp_path / "kafka")
    yield broker
    broker.kill()  # told to end, it would wait for those that are connected; and it has nothing to keep
    shutil.rmtree(tmp_path / "kafka")


@pytest.fixture
async def transport(redis_url: str) -> AsyncIterator[Transport]:
    transport = Transport(redis_url)
    await transport.open()
    yield transport
    await transport.close()


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to a new Postgres with its tables."""
    connection = await asyncpg.connect(database_url)
    await migrate(connection)
    yield connection
    await connection.close()


@pytest.fixture
def casino(redis_url: str, database_url: str, transport: Transport, connection: asyncpg.Connection) -> Casino:
    """An empty Redis and that Postgres; nothing runs yet."""
    return Casino.of(redis_url, database_url, transport, connection)


@pytest.fixture
async def log(casino: Casino) -> list[Event]:
    """What players did in all games, with sessions, rewards and rotations. It is not in this test's Postgres."""
    return await played(casino)


@pytest.fixture
async def exported(
    kafka: Kafka, database_url: str, connection: asyncpg.Connection
) -> AsyncIterator[Exported]:
    """An empty log in Postgres, and the broker, perhaps another one at the end."""
    exported = Exported(kafka, database_url, connection)
    yield exported
    exported.kafka.kill()


@pytest.fixture(scope="session")
def clickhouse_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouse]:
    """This worker's ClickHouse, shared by its tests, each with a database of its own: do not stop it."""
    directory = tmp_path_factory.mktemp("clickhouse")
    with ClickHouse.start(directory) as server:
        yield server
    shutil.rmtree(directory)


@pytest.fixture
async def olap(
    clickhouse_server: ClickHouse, database_url: str, connection: asyncpg.Connection, log: list[Event]
) -> AsyncIterator[Olap]:
    """A log in Postgres, and a ClickHouse database that has nothing of it yet."""
    async with olap_of(clickhouse_server, database_url, connection) as olap:
        await fill(olap, log)
        yield olap


@pytest.fixture
async def own(
    tmp_path: Path, database_url: str, connection: asyncpg.Connection, log: list[Event]
) -> AsyncIterator[Olap]:
    """The same with a ClickHouse of the test's own, which it may kill."""
    with ClickHouse.start(tmp_path / "clickhouse") as server:
        async with olap_of(server, database_url, connection) as olap:
            await fill(olap, log)
            yield olap


@pytest.fixture
async def read_in_kafka(
    clickhouse_server: ClickHouse,
    database_url: str,
    connection: asyncpg.Connection,
    log: list[Event],
    kafka: Kafka,
) -> AsyncIterator[Olap]:
    """A log that ClickHouse has, and that is read on in Kafka, perhaps in another broker at the end."""
    async with olap_of(clickhouse_server, database_url, connection, kafka) as olap:
        await fill(olap, log)
        async with olap.exporting():
            await olap.until_in_clickhouse()
            await until_read_in_kafka(olap)
        yield olap
        assert olap.kafka is not None
        olap.kafka.kill()
