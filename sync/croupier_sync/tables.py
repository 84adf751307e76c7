"""Writing the rows of projections, all rows of a table at once.

Rows come in the order of their events, but for those that were dead letters: they come late. So each statement leaves
the table as if they had come in time: what is added may be added at any time, and what is replaced is so only by what
follows from a later event.
"""

import datetime
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import asyncpg

from croupier_sync.rows import (
    CrashRow,
    DailyRow,
    EconomyRow,
    HistoryRow,
    LedgerRow,
    PoolRow,
    RewardRow,
    SessionRow,
    StatsRow,
)

_INSERT_ECONOMIES = """
INSERT INTO economy_versions (version, canonical)
SELECT * FROM unnest($1::text[], $2::bytea[]) ON CONFLICT DO NOTHING
"""
_UPSERT_DAILY = """
INSERT INTO gacha_daily AS d (day, uid, tier, remaining, epoch, seq)
SELECT * FROM unnest($1::int[], $2::bigint[], $3::text[], $4::int[], $5::bigint[], $6::bigint[])
ON CONFLICT (day, uid) DO UPDATE SET
  tier = excluded.tier, remaining = excluded.remaining, epoch = excluded.epoch, seq = excluded.seq
WHERE (d.epoch, d.seq) < (excluded.epoch, excluded.seq)
"""
_ADD_POOLS = """
INSERT INTO pool_hours AS p (partition, banner, rarity, hour, remaining, drawn, added, epoch, seq)
SELECT * FROM unnest($1::int[], $2::text[], $3::text[], $4::timestamptz[], $5::bigint[], $6::bigint[], $7::bigint[],
  $8::bigint[], $9::bigint[])
ON CONFLICT (partition, banner, rarity, hour) DO UPDATE SET
  drawn = p.drawn + excluded.drawn, added = p.added + excluded.added,
  remaining = CASE WHEN (p.epoch, p.seq) < (excluded.epoch, excluded.seq) THEN excluded.remaining ELSE p.remaining END,
  epoch = greatest(p.epoch, excluded.epoch),
  seq = CASE WHEN (p.epoch, p.seq) < (excluded.epoch, excluded.seq) THEN excluded.seq ELSE p.seq END
"""
_ADD_STATS = """
INSERT INTO game_stats AS s
  (uid, game_type, rounds, wins, losses, total_bet, total_win, biggest_win, last_played_at)
SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
  $8::bigint[], $9::timestamptz[])
ON CONFLICT (uid, game_type) DO UPDATE SET
  rounds = s.rounds + excluded.rounds, wins = s.wins + excluded.wins, losses = s.losses + excluded.losses,
  total_bet = s.total_bet + excluded.total_bet, total_win = s.total_win + excluded.total_win,
  biggest_win = greatest(s.biggest_win, excluded.biggest_win),
  last_played_at = greatest(s.last_played_at, excluded.last_played_at)
"""
# A round that is settled stays as it is.
_UPSERT_CRASH = """
INSERT INTO crash_sessions AS c (external_session_id, uid, status, bet_amount, auto_cashout, cashout_multiplier,
  crash_multiplier, payout_amount, started_at, cashed_out_at)
SELECT id, uid, status, bet, auto_m100 / 100.0, cashout_m100 / 100.0, crash_m100 / 100.0, payout, started_at, cashed_at
FROM unnest($1::text[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
  $8::bigint[], $9::timestamptz[], $10::timestamptz[])
  AS r (id, uid, status, bet, auto_m100, cashout_m100, crash_m100, payout, started_at, cashed_at)
ON CONFLICT (external_session_id) DO UPDATE SET
  status = excluded.status, cashout_multiplier = excluded.cashout_multiplier,
  crash_multiplier = excluded.crash_multiplier, payout_amount = excluded.payout_amount,
  cashed_out_at = excluded.cashed_out_at
WHERE c.status = 'active'
"""
# A session that has ended stays as it is.
_UPSERT_SESSIONS = """
INSERT INTO game_sessions AS s (session_id, uid, game_type, started_at, ended_at, rounds, bet, win)
SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::bigint[],
  $7::bigint[], $8::bigint[])
ON CONFLICT (session_id) DO UPDATE SET
  ended_at = excluded.ended_at, rounds = excluded.rounds, bet = excluded.bet, win = excluded.win
WHERE s.ended_at IS NULL
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


async def _add_pools(connection: asyncpg.Connection, rows: Sequence[PoolRow]) -> None:
    sums: dict[tuple[int, str, str, datetime.datetime], PoolRow] = {}
    for row in rows:
        before = sums.get(row[:4])
        sums[row[:4]] = (
            row
            if before is None
            else row._replace(drawn=before.drawn + row.drawn, added=before.added + row.added)
        )
    await connection.execute(_ADD_POOLS, *_columns(list(sums.values())))


async def _add_stats(connection: asyncpg.Connection, rows: Sequence[StatsRow]) -> None:
    sums: dict[tuple[int, str], StatsRow] = {}
    for row in rows:
        place = row.uid, row.game_type
        sums[place] = _added(sums[place], row) if place in sums else row
    await connection.execute(_ADD_STATS, *_columns(list(sums.values())))


def _added(one: StatsRow, other: StatsRow) -> StatsRow:
    return StatsRow(
        uid=one.uid,
        game_type=one.game_type,
        rounds=one.rounds + other.rounds,
        wins=one.wins + other.wins,
        losses=one.losses + other.losses,
        total_bet=one.total_bet + other.total_bet,
        total_win=one.total_win + other.total_win,
        biggest_win=max(one.biggest_win, other.biggest_win),
        last_played_at=max(one.last_played_at, other.last_played_at),
    )


async def _upsert_crash(connection: asyncpg.Connection, rows: Sequence[CrashRow]) -> None:
    last = {row.external_session_id: row for row in rows}
    await connection.execute(_UPSERT_CRASH, *_columns(list(last.values())))


async def _upsert_sessions(connection: asyncpg.Connection, rows: Sequence[SessionRow]) -> None:
    last = {row.session_id: row for row in rows}
    await connection.execute(_UPSERT_SESSIONS, *_columns(list(last.values())))


def _columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


TABLES: Mapping[type, Table] = {
    EconomyRow: Table("economy_versions", insert_economies),
    HistoryRow: _copy_into("game_history", HistoryRow._fields),
    LedgerRow: _copy_into("wallet_ledger", LedgerRow._fields),
    DailyRow: Table("gacha_daily", _upsert_daily),
    PoolRow: Table("pool_hours", _add_pools),
    StatsRow: Table("game_stats", _add_stats),
    CrashRow: Table("crash_sessions", _upsert_crash),
    SessionRow: Table("game_sessions", _upsert_sessions),
    RewardRow: _copy_into("user_rewards", RewardRow._fields),
}
"""By type of row."""
