"""The model and the real Postgres, each behind the same few functions, for tests that compare them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import asyncpg
import msgspec

from croupier_sync.migrations import migrate
from tests.simulation.postgres.schema import NOW, TABLES, Row, Table
from tests.simulation.postgres.server import ModelPostgres

STATEMENT_TIMEOUT_S: Final = 20.0


@dataclass
class Side:
    """One of the two.

    `connect` gives a new connection, `rows` the committed rows of a table, and `terminate` ends a session by its pid.
    """

    connect: Callable[[], Awaitable[Any]]
    pool: Any
    rows: Callable[[str], Awaitable[list[Row]]]
    terminate: Callable[[int], Awaitable[None]]

    async def dump(self) -> dict[str, list[Row]]:
        """All tables, in the order of their keys, without the times at which rows were written."""
        return {
            name: [_comparable(table, row) for row in await self.rows(name)] for name, table in TABLES.items()
        }


def _comparable(table: Table, row: Row) -> Row:
    row = {name: value for name, value in row.items() if table.defaults.get(name) is not NOW}
    row.pop("seen_at", None)
    if "result_meta" in row:  # jsonb has a form of its own
        row["result_meta"] = msgspec.json.decode(row["result_meta"])
    return row


@asynccontextmanager
async def real_side(database_url: str, *, emptied: bool = True) -> AsyncIterator[Side]:
    """The real server, migrated, and without what it may have held before."""
    opened: list[asyncpg.Connection] = []

    async def connect() -> asyncpg.Connection:
        opened.append(await asyncpg.connect(database_url, command_timeout=STATEMENT_TIMEOUT_S))
        return opened[-1]

    own = await connect()
    await migrate(own)
    if emptied:
        await _empty(own)

    async def rows(table: str) -> list[Row]:
        columns, key = (
            ", ".join(TABLES[table].columns),
            ", ".join(
                f'{column} COLLATE "C"' if column in _TEXTS else column for column in TABLES[table].key
            ),
        )
        return [dict(row) for row in await own.fetch(f"SELECT {columns} FROM {table} ORDER BY {key}")]

    async def terminate(pid: int) -> None:
        await own.execute("SELECT pg_terminate_backend($1)", pid)

    try:
        async with asyncpg.create_pool(database_url, min_size=0, max_size=2) as pool:
            yield Side(connect, pool, rows, terminate)
    finally:
        for connection in opened:
            connection.terminate()


async def _empty(connection: asyncpg.Connection) -> None:
    kept = ("installation", "partitions")
    await connection.execute(f"TRUNCATE {', '.join(name for name in TABLES if name not in kept)}")
    await connection.execute("DELETE FROM partitions")
    await connection.execute(
        "INSERT INTO partitions (partition) SELECT generate_series(0, partitions - 1) FROM installation"
    )


_TEXTS: Final = {
    "key",
    "field",
    "version",
    "game_type",
    "projection",
    "first_entry",
    "session_id",
    "external_session_id",
}


def model_side(installation: str = "compared") -> Side:
    """A new model."""
    server = ModelPostgres(installation)

    async def connect() -> Any:
        return await server.connect(command_timeout=STATEMENT_TIMEOUT_S)

    async def rows(table: str) -> list[Row]:
        return server.rows(table)

    async def terminate(pid: int) -> None:
        for session in server.sessions():
            if session.pid == pid:
                server.terminate(session)

    return Side(connect, server.create_pool(max_size=2), rows, terminate)
