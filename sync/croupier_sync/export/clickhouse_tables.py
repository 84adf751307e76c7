"""ClickHouse's tables: numbered files of statements, applied in order.

ClickHouse has no transactions for such statements, so each of them may be applied twice, and a file is recorded when
all of it is done.
"""

import re
from collections.abc import Callable
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Final

from croupier.clickhouse import ClickHouse
from croupier_sync.errors import MigrationError
from croupier_sync.migrations import Migration, read_migrations

DIRECTORY: Final[Traversable] = resources.files("croupier_schemas").joinpath("clickhouse")
STATEMENT_TIMEOUT_S: Final = 300.0

_COMMENT = re.compile(r"^\s*--.*\n?", re.MULTILINE)
_CREATE = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    name       String,
    checksum   String,
    applied_at DateTime64(3, 'UTC') DEFAULT now64(3)
) ENGINE = ReplacingMergeTree ORDER BY name
"""
_HAS_TABLE = (
    "SELECT count() AS found FROM system.tables WHERE database = {database:String} AND name = {name:String}"
)
_APPLIED = "SELECT name, checksum FROM schema_migrations FINAL ORDER BY name"


async def migrate(
    clickhouse: ClickHouse,
    progress: Callable[[str], None] | None = None,
    directory: Traversable = DIRECTORY,
) -> list[str]:
    """Apply what is missing, the database itself included, and return the names of it.

    Several at once are harmless. Raises MigrationError where the database has seen other files than these; Away.
    """
    await clickhouse.make_database()
    await clickhouse.execute(_CREATE, timeout_s=STATEMENT_TIMEOUT_S)
    missing = await missing_migrations(clickhouse, directory)
    for migration in missing:
        if progress is not None:
            progress(f"clickhouse/{migration.name}")
        for statement in statements(migration.sql):
            await clickhouse.execute(statement, timeout_s=STATEMENT_TIMEOUT_S)
        # Both are from a file name and a digest: nothing in them needs quoting.
        record = f"INSERT INTO schema_migrations (name, checksum) VALUES ('{migration.name}', '{migration.checksum}')"
        await clickhouse.execute(record, timeout_s=STATEMENT_TIMEOUT_S)
    return [f"clickhouse/{migration.name}" for migration in missing]


async def check(clickhouse: ClickHouse, directory: Traversable = DIRECTORY) -> None:
    """Raise MigrationError unless the database has exactly these migrations; Away. Changes nothing."""
    if missing := await missing_migrations(clickhouse, directory):
        names = ", ".join(migration.name for migration in missing)
        raise MigrationError(f"ClickHouse lacks {names}: run `croupier migrate`")


async def missing_migrations(clickhouse: ClickHouse, directory: Traversable = DIRECTORY) -> list[Migration]:
    """The files that the database has not seen. Raises MigrationError where it has seen others; Away."""
    migrations = read_migrations(directory)
    known = {"database": clickhouse.address.database, "name": "schema_migrations"}
    has_table = await clickhouse.fetch(_HAS_TABLE, known)
    applied = await clickhouse.fetch(_APPLIED) if has_table[0]["found"] else []
    for index, row in enumerate(applied):
        if index >= len(migrations) or row["name"] != migrations[index].name:
            raise MigrationError(
                f"ClickHouse has {row['name']}, which this version of croupier does not know: upgrade croupier"
            )
        if row["checksum"] != migrations[index].checksum:
            raise MigrationError(
                f"clickhouse/{row['name']} has been changed since it was applied: restore the file, and put the "
                "change into a new one"
            )
    return migrations[len(applied) :]


def statements(sql: str) -> list[str]:
    """The statements of a file, without its comments. A statement ends with a semicolon at the end of a line."""
    parts = re.split(r";[ \t]*(?:\n|\Z)", _COMMENT.sub("", sql))
    return [part.strip() for part in parts if part.strip()]
