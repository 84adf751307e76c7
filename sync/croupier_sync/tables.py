"""Writing the rows of projections, all rows of a table at once."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import asyncpg

from croupier_sync.projections import DailyRow, EconomyRow, HistoryRow, LedgerRow

_INSERT_ECONOMIES = """
INSERT INTO economy_versions (version, canonical)
SELECT * FROM unnest($1::text[], $2::bytea[]) ON CONFLICT DO NOTHING
"""
_UPSERT_DAILY = """
INSERT INTO gacha_daily (day, uid, tier, remaining)
SELECT * FROM unnest($1::int[], $2::bigint[], $3::text[], $4::int[])
ON CONFLICT (day, uid) DO UPDATE SET tier = excluded.tier, remaining = excluded.remaining
"""

Write: TypeAlias = Callable[[asyncpg.Connection, Sequence[Any]], Awaitable[None]]


class Table(NamedTuple):
    """Where rows of one type go. `write` takes them in the order of their events."""

    name: str
    write: Write


def _copy_into(name: str, columns: Sequence[str]) -> Table:
    async def write(connection: asyncpg.Connection, rows: Sequence[Any]) -> None:
        await connection.copy_records_to_table(name, records=rows, columns=columns)

    return Table(name, write)


async def insert_economies(connection: asyncpg.Connection, rows: Sequence[EconomyRow]) -> None:
    """Keep economies that are not known yet."""
    await connection.execute(_INSERT_ECONOMIES, *_columns(rows))


async def _upsert_daily(connection: asyncpg.Connection, rows: Sequence[DailyRow]) -> None:
    last = {(row.day, row.uid): row for row in rows}
    await connection.execute(_UPSERT_DAILY, *_columns(list(last.values())))


def _columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


TABLES: Mapping[type, Table] = {
    EconomyRow: Table("economy_versions", insert_economies),
    HistoryRow: _copy_into("game_history", HistoryRow._fields),
    LedgerRow: _copy_into("wallet_ledger", LedgerRow._fields),
    DailyRow: Table("gacha_daily", _upsert_daily),
}
"""By type of row."""
