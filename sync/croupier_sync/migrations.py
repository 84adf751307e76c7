"""Migrations: numbered files of plain SQL, each applied once, in order, in a transaction of its own."""

import hashlib
import re
from collections.abc import Callable
from importlib import resources
from importlib.resources.abc import Traversable
from typing import NamedTuple

import asyncpg

from croupier.partition import PARTITIONS, new_installation
from croupier_sync.errors import MigrationError
from croupier_sync.postgres import LOCK_CLASS, LOCK_MIGRATIONS

DIRECTORY: Traversable = resources.files("croupier_schemas").joinpath("sql")

STATEMENT_TIMEOUT_S = 3600.0

_FILE_NAME = re.compile(r"\d{4}_[a-z0-9_]+\.sql")

_LOCK = "SELECT pg_advisory_lock($1, $2)"
_UNLOCK = "SELECT pg_advisory_unlock($1, $2)"
_CREATE = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    name       text PRIMARY KEY,
    checksum   text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""
_EXISTS = "SELECT to_regclass('schema_migrations') IS NOT NULL"
_APPLIED = "SELECT name, checksum FROM schema_migrations ORDER BY name"
_RECORD = "INSERT INTO schema_migrations (name, checksum) VALUES ($1, $2)"
_INSTALL = "INSERT INTO installation (id, partitions) VALUES ($1, $2) ON CONFLICT DO NOTHING"
_ADD_PARTITIONS = """
INSERT INTO partitions (partition) SELECT generate_series(0, partitions - 1) FROM installation
ON CONFLICT DO NOTHING
"""


class Migration(NamedTuple):
    """One file. `checksum` is the SHA-256 of its bytes, in hexadecimal."""

    name: str
    checksum: str
    sql: str


def read_migrations(directory: Traversable = DIRECTORY) -> list[Migration]:
    """The files of the directory in the order of their numbers. Raises MigrationError for a name of another form."""
    migrations = []
    for file in sorted(directory.iterdir(), key=lambda entry: entry.name):
        if not file.name.endswith(".sql"):
            continue
        if not _FILE_NAME.fullmatch(file.name):
            raise MigrationError(f"{file.name} is not named like 0001_events.sql")
        data = file.read_bytes()
        migrations.append(Migration(file.name, hashlib.sha256(data).hexdigest(), data.decode("utf-8")))
    return migrations


async def migrate(
    connection: asyncpg.Connection,
    progress: Callable[[str], None] | None = None,
    directory: Traversable = DIRECTORY,
    *,
    deterministic: bool = False,
) -> list[str]:
    """Apply what is missing and return the names of it; the first run also makes the installation.

    `progress` is told each name before it is applied. Several at once are harmless: one works, the others wait and
    find nothing left to do. Raises MigrationError where the database has seen other files than these.
    """
    migrations = read_migrations(directory)
    await connection.execute(_LOCK, LOCK_CLASS, LOCK_MIGRATIONS, timeout=STATEMENT_TIMEOUT_S)
    try:
        await connection.execute(_CREATE)
        missing = _missing(migrations, await connection.fetch(_APPLIED))
        for migration in missing:
            if progress is not None:
                progress(migration.name)
            async with connection.transaction():
                await connection.execute(migration.sql, timeout=STATEMENT_TIMEOUT_S)
                await connection.execute(_RECORD, migration.name, migration.checksum)
        async with connection.transaction():
            name = new_installation(standalone=False, deterministic=deterministic)
            await connection.execute(_INSTALL, name, PARTITIONS)
            await connection.execute(_ADD_PARTITIONS)
    finally:
        if not connection.is_closed():
            await connection.execute(_UNLOCK, LOCK_CLASS, LOCK_MIGRATIONS)
    return [migration.name for migration in missing]


async def check(connection: asyncpg.Connection, directory: Traversable = DIRECTORY) -> None:
    """Raise MigrationError unless the database has exactly these migrations. Changes nothing."""
    migrations = read_migrations(directory)
    applied = await connection.fetch(_APPLIED) if await connection.fetchval(_EXISTS) else []
    if missing := _missing(migrations, applied):
        names = ", ".join(migration.name for migration in missing)
        raise MigrationError(f"the database lacks {names}: run `croupier migrate`")


def _missing(migrations: list[Migration], applied: list[asyncpg.Record]) -> list[Migration]:
    """What is left to apply. What was applied must be the first of the files, unchanged."""
    for index, row in enumerate(applied):
        if index >= len(migrations):
            raise MigrationError(
                f"the database has {row['name']}, which this version of croupier does not know: upgrade croupier"
            )
        expected = migrations[index]
        if row["name"] != expected.name:
            raise MigrationError(
                f"the database has {row['name']} where this version of croupier has {expected.name}"
            )
        if row["checksum"] != expected.checksum:
            raise MigrationError(
                f"{expected.name} has been changed since it was applied to this database: "
                "restore the file, and put the change into a new one"
            )
    return migrations[len(applied) :]
