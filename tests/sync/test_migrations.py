"""Migrations: once each, in order, and never over a database that does not fit."""

import asyncio
from pathlib import Path

import asyncpg
import pytest

from croupier_sync.errors import MigrationError
from croupier_sync.migrations import check, migrate, read_migrations


@pytest.fixture
def database_url(empty_database_url: str) -> str:
    return empty_database_url


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A copy of the real files, to be changed by the test."""
    for migration in read_migrations():
        (tmp_path / migration.name).write_text(migration.sql)
    return tmp_path


async def _tables(connection: asyncpg.Connection) -> set[str]:
    rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    return {row["tablename"] for row in rows}


async def test_given_an_empty_database_when_migrated_then_every_file_is_applied_and_told(
    connection: asyncpg.Connection,
) -> None:
    told: list[str] = []
    applied = await migrate(connection, told.append)
    assert applied == told == [migration.name for migration in read_migrations()]
    assert {"events", "mirror", "partitions", "game_history", "wallet_ledger"} <= await _tables(connection)
    await check(connection)


async def test_given_a_migrated_database_when_migrated_again_then_nothing_is_done_and_the_installation_stays(
    connection: asyncpg.Connection,
) -> None:
    await migrate(connection)
    before = await connection.fetch("SELECT * FROM installation")
    assert await migrate(connection) == []
    assert await connection.fetch("SELECT * FROM installation") == before
    assert len(before) == 1
    assert len(before[0]["id"]) == 32
    assert await connection.fetchval("SELECT count(*) FROM partitions") == before[0]["partitions"]


async def test_given_several_migrating_at_once_when_done_then_each_file_was_applied_once(
    database_url: str,
) -> None:
    connections = [await asyncpg.connect(database_url) for _ in range(4)]
    try:
        applied = await asyncio.gather(*map(migrate, connections))
        assert sorted(applied, key=len) == [[], [], [], [each.name for each in read_migrations()]]
        assert await connections[0].fetchval("SELECT count(*) FROM installation") == 1
    finally:
        for connection in connections:
            await connection.close()


async def test_given_a_file_changed_after_it_was_applied_when_migrated_then_refused_by_name(
    connection: asyncpg.Connection, directory: Path
) -> None:
    await migrate(connection, None, directory)
    with (directory / "0001_events.sql").open("a") as file:
        file.write("-- changed\n")
    for refused in (migrate(connection, None, directory), check(connection, directory)):
        with pytest.raises(MigrationError, match=r"0001_events\.sql has been changed"):
            await refused


async def test_given_a_database_of_a_newer_version_when_migrated_then_refused_with_the_migration_it_has(
    connection: asyncpg.Connection,
) -> None:
    await migrate(connection)
    await connection.execute("INSERT INTO schema_migrations (name, checksum) VALUES ('9999_later.sql', '')")
    for refused in (migrate(connection), check(connection)):
        with pytest.raises(MigrationError, match=r"9999_later\.sql.*upgrade croupier"):
            await refused


async def test_given_an_unapplied_file_before_an_applied_one_when_migrated_then_refused(
    connection: asyncpg.Connection, directory: Path
) -> None:
    await migrate(connection, None, directory)
    (directory / "0001_before.sql").write_text("CREATE TABLE before ()")
    with pytest.raises(MigrationError, match=r"0001_events\.sql where .* 0001_before\.sql"):
        await migrate(connection, None, directory)


async def test_given_a_file_that_fails_midway_when_migrated_then_nothing_of_it_is_left(
    connection: asyncpg.Connection, database_url: str, directory: Path
) -> None:
    (directory / "9000_bad.sql").write_text("CREATE TABLE bad (); SELECT nonsense;")
    with pytest.raises(asyncpg.UndefinedColumnError):
        await migrate(connection, None, directory)
    assert {"events", "game_history"} <= await _tables(connection)
    assert "bad" not in await _tables(connection)
    # The lock is free again: another session can migrate.
    other = await asyncpg.connect(database_url)
    try:
        assert await migrate(other) == []
    finally:
        await other.close()


async def test_given_a_database_without_tables_when_checked_then_told_to_migrate_and_nothing_is_made(
    connection: asyncpg.Connection,
) -> None:
    with pytest.raises(MigrationError, match="croupier migrate"):
        await check(connection)
    assert await _tables(connection) == set()
