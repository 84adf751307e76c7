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
from tests.export.support import Exported, played
from tests.sync.support import Casino


@pytest.fixture
def kafka(tmp_path: Path) -> Iterator[Kafka]:
    """An empty broker of the test's own, which it may kill."""
    with Kafka.start(tmp_path / "kafka") as broker:
        yield broker
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
async def exported(kafka: Kafka, database_url: str, connection: asyncpg.Connection) -> Exported:
    """An empty log in Postgres, and the broker."""
    return Exported(kafka, database_url, connection)


@pytest.fixture(scope="session")
def clickhouse_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouse]:
    """This worker's ClickHouse, shared by its tests, each with a database of its own: do not stop it."""
    directory = tmp_path_factory.mktemp("clickhouse")
    with ClickHouse.start(directory) as server:
        yield server
    shutil.rmtree(directory)
