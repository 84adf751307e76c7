"""Fixtures for the tests of the sync daemon."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from croupier.transport import Transport
from croupier_sync.migrations import migrate
from tests.sync.support import Casino


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to a new database, which is no installation yet."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture
async def transport(redis_url: str) -> AsyncIterator[Transport]:
    transport = Transport(redis_url)
    await transport.open()
    yield transport
    await transport.close()


@pytest.fixture
async def casino(
    redis_url: str, database_url: str, transport: Transport, connection: asyncpg.Connection
) -> Casino:
    """An empty Redis and a Postgres with its tables; nothing runs yet."""
    await migrate(connection)
    return Casino.of(redis_url, database_url, transport, connection)


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[asyncpg.Pool]:
    """Connections to the casino's Postgres, as a worker has them."""
    async with asyncpg.create_pool(database_url, min_size=1, max_size=4) as pool:
        yield pool


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A directory whose path leaves room for a socket's, so that a server which starts again has the same address."""
    with tempfile.TemporaryDirectory(prefix="croupier-", ignore_cleanup_errors=True) as directory:
        yield Path(directory)
