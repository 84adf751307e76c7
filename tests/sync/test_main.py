"""The daemon as a process: what it refuses to start on, what it waits for, how it ends."""

import asyncio
from pathlib import Path

import asyncpg
import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from croupier.economy import EconomyError
from croupier.settings import Settings
from croupier.transport import Transport
from croupier_cli.embedded import Postgres
from croupier_sync.errors import InstallationMismatch, MigrationError, NotDurable
from croupier_sync.main import run
from croupier_sync.migrations import migrate
from croupier_sync.status import Status
from tests.sync.support import MASTER_KEYS, Casino, until


def _settings(redis_url: str, database_url: str) -> Settings:
    return Settings(redis_url=redis_url, database_url=database_url, master_keys=MASTER_KEYS)


async def _refused(settings: Settings, kind: type[Exception], match: str) -> None:
    with pytest.raises(kind, match=match):
        await run(settings, asyncio.Event())


async def test_given_a_running_daemon_when_told_to_stop_then_it_ends_and_what_it_read_is_applied(
    casino: Casino,
) -> None:
    stop = asyncio.Event()
    running = asyncio.create_task(run(_settings(casino.redis_url, casino.database_url), stop))
    await casino.until_open()
    await casino.pull(1)
    await casino.until_caught_up()
    stop.set()
    await running
    await casino.require_mirror()
    await casino.pull(1)  # the partition stays open for the players
    assert await casino.cursor() != await casino.last_entry()


async def test_given_a_daemon_told_to_stop_before_its_servers_come_when_run_then_it_ends(
    tmp_path: Path,
) -> None:
    stop = asyncio.Event()
    with capture_logs() as logs:
        running = asyncio.create_task(
            run(_settings(f"unix://{tmp_path}/none", "postgresql://@/x?host=/none"), stop)
        )

        async def said() -> bool:
            return bool(logs)

        await until(said, "the daemon to say what it waits for")
        stop.set()
        await running
    assert [entry["event"] for entry in logs] == ["sync waits for a server"]


async def test_given_a_database_without_tables_when_run_then_refused(
    redis_url: str, database_url: str
) -> None:
    await _refused(_settings(redis_url, database_url), MigrationError, "croupier migrate")


async def test_given_the_redis_of_another_installation_when_run_then_refused(casino: Casino) -> None:
    async with casino.daemon():
        await casino.until_open()
    await casino.connection.execute("UPDATE installation SET id = 'another'")
    await _refused(_settings(casino.redis_url, casino.database_url), InstallationMismatch, "another")


async def test_given_a_postgres_that_does_not_wait_for_the_disk_when_run_then_refused(
    casino: Casino, tmp_path: Path, postgres_template: Path
) -> None:
    name = await casino.connection.fetchval("SELECT current_database()")
    await casino.connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    settings = _settings(casino.redis_url, casino.database_url)
    await _refused(settings, NotDurable, "synchronous_commit=off")
    with Postgres.start(tmp_path / "postgres", template=postgres_template, durable=False) as server:
        connection = await asyncpg.connect(server.url)
        await migrate(connection)
        await connection.close()
        await _refused(replace(settings, database_url=server.url), NotDurable, "fsync=off")


async def test_given_an_economy_file_that_is_none_when_run_then_refused(
    casino: Casino, tmp_path: Path
) -> None:
    settings = _settings(casino.redis_url, casino.database_url)
    await _refused(replace(settings, economy=str(tmp_path / "none.toml")), EconomyError, "cannot be read")
    assert await casino.head() is None


async def test_given_postgres_restarting_when_back_then_what_happened_meanwhile_is_applied(
    redis_url: str, transport: Transport, short_path: Path, postgres_template: Path
) -> None:
    stop = asyncio.Event()
    with Postgres.start(short_path / "postgres", template=postgres_template) as server:
        connection = await asyncpg.connect(server.url)
        await migrate(connection)
        casino = Casino.of(redis_url, server.url, transport, connection)
        running = asyncio.create_task(run(_settings(redis_url, server.url), stop))
        await casino.until_open()
        await casino.until_caught_up()
        await connection.close()
    await casino.pull(1)
    with Postgres.start(short_path / "postgres") as server:
        casino.connection = await asyncpg.connect(server.url)
        await casino.until_caught_up()
        await casino.require_events_are(await casino.log())
        await casino.require_mirror()
        stop.set()
        await running
        await casino.connection.close()


def test_given_the_same_trouble_again_and_again_when_told_then_it_is_logged_once() -> None:
    status = Status(0)
    with capture_logs() as logs:
        for number in range(5):
            status.change("stopped", f"attempt {number}", reason="fork")
        status.change("following")
        status.change("following")
        status.change("stopped", "again", reason="gap")
    assert [(entry["event"], entry["log_level"]) for entry in logs] == [
        ("partition stopped", "error"),
        ("partition following", "info"),
        ("partition stopped", "error"),
    ]
    assert (status.state, status.reason, status.detail) == ("stopped", "gap", "again")
