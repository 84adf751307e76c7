"""The servers of the test suite: one Valkey and one Postgres per xdist worker, handed to each test empty."""

import asyncio
import fcntl
import os
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from croupier_cli.embedded import Postgres, Valkey
from croupier_sync.migrations import migrate
from tests.redis_server import administrator, started_valkey

_MEMORY = Path("/dev/shm")
_MEMORY_FREE_MIN = 4 * 2**30
"""Bytes: several times what the servers of a few workers take."""


def pytest_configure() -> None:
    """Keep the data of all servers in memory, where there is room, unless TMPDIR says where.

    A Postgres that waits for the disk after each commit makes the tests wait, half of the time where the disk is slow.
    None of them needs a disk: servers are killed, and no machine loses its power.
    """
    if "TMPDIR" not in os.environ and _has_room(_MEMORY):
        os.environ["TMPDIR"] = tempfile.tempdir = str(_MEMORY)


def _has_room(directory: Path) -> bool:
    """Whether programs and servers' data can be put there."""
    try:
        found = os.statvfs(directory)
    except OSError:
        return False
    is_usable = os.access(directory, os.W_OK) and not found.f_flag & (os.ST_NOEXEC | os.ST_RDONLY)
    return is_usable and found.f_bavail * found.f_frsize >= _MEMORY_FREE_MIN


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put tests with a time limit of their own first: they are long, and would keep one worker alone at the end."""
    items.sort(key=lambda item: item.get_closest_marker("timeout") is None)


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """This worker's Valkey, shared by all its tests: do not stop it, and restore what you configure."""
    directory = tmp_path_factory.mktemp("valkey")
    with started_valkey(directory) as server:
        yield server
    shutil.rmtree(directory)


@pytest.fixture
def redis_url(valkey: Valkey) -> str:
    """The URL of a Redis server without a key in it."""
    with administrator(valkey.url) as client:
        client.flushall()
    return valkey.url


@pytest.fixture(scope="session")
def postgres_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An initialised data directory for `Postgres.start(template=...)`, made once for all workers."""
    directory = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        directory = directory.parent  # each worker has a directory of its own in that of the run
    template = directory / "postgres-template"
    with (directory / "postgres-template.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        Postgres.initialise(template, durable=False)
    return template


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory, postgres_template: Path) -> Iterator[Postgres]:
    """This worker's Postgres, shared by all its tests: do not stop it.

    It waits for the disk like a real one, because the sync daemon refuses a Postgres that does not.
    """
    directory = tmp_path_factory.mktemp("postgres")
    with Postgres.start(directory, template=postgres_template) as server:
        yield server
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def migrated(postgres: Postgres) -> str:
    """The name of a database that has all tables and nothing in them, to be copied."""
    asyncio.run(_make_migrated(postgres))
    return _MIGRATED


_MIGRATED = "migrated"


async def _make_migrated(postgres: Postgres) -> None:
    await _execute(postgres.url, f"CREATE DATABASE {_MIGRATED} TEMPLATE template0")
    connection = await asyncpg.connect(postgres.url_of(_MIGRATED))
    try:
        await migrate(connection)
        # Each copy becomes an installation of its own when its test migrates it, which finds nothing else to do.
        await connection.execute("TRUNCATE installation, partitions")
    finally:
        await connection.close()


@pytest.fixture
async def database_url(postgres: Postgres, migrated: str) -> AsyncIterator[str]:
    """The URL of a new database with all tables, which is no installation yet, dropped after the test."""
    async with _database(postgres, migrated) as url:
        yield url


@pytest.fixture
async def empty_database_url(postgres: Postgres) -> AsyncIterator[str]:
    """The same without any table."""
    async with _database(postgres, "template0") as url:
        yield url


@asynccontextmanager
async def _database(postgres: Postgres, template: str) -> AsyncIterator[str]:
    name = f"test_{uuid.uuid4().hex}"
    # Copied file by file, which takes a quarter of the time here, as the log need not hold the copy.
    await _execute(postgres.url, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    yield postgres.url_of(name)
    # Sessions that a test left open do not keep its database.
    await _execute(postgres.url, f"DROP DATABASE {name} WITH (FORCE)")


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
