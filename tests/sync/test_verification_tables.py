"""Verification compares what queries read with what the log makes of it, row by row and column by column."""

import datetime
import time
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

import asyncpg
import pytest

from croupier.gacha.pull import PULL
from croupier_schemas.events import Event
from croupier_schemas.gacha import GachaPull
from croupier_sync.adopting import adopt, find_gap
from croupier_sync.dead_letters import dead_letters, replay
from croupier_sync.migrations import read_migrations
from croupier_sync.projections import PROJECTIONS
from croupier_sync.projections.economy import Economies
from croupier_sync.rows import LedgerRow, Row
from croupier_sync.server import Server
from tests.sync.old_copy import old_copy
from tests.sync.play import HOUR_MS, Players
from tests.sync.rounds import Rounds
from tests.sync.support import PARTITION, Casino, until_stopped
from tests.sync.verified import UIDS, found, play_everything, verdict

_KEYS = {
    "game_history": ("epoch", "seq"),
    "wallet_ledger": ("epoch", "seq", "line"),
    "user_rewards": ("epoch", "seq"),
    "gacha_daily": ("day", "uid"),
    "pool_hours": ("partition", "banner", "rarity", "hour"),
    "game_stats": ("uid", "game_type"),
    "crash_sessions": ("external_session_id",),
    "game_sessions": ("session_id",),
}
_CHANGED = {
    "text": "{0} || 'x'",
    "jsonb": """jsonb_set({0}, '{{bet_amount}}', '"7"')""",
    "timestamp with time zone": "{0} + interval '1 ms'",
}
# Changes that the table itself allows.
_ALLOWED = {"wins": "{0} - 1", "losses": "{0} - 1"}
_REFUSED = frozenset({"partition", "status", "currency", "reward_type", "ended_at"})


@pytest.fixture
async def played(casino: Casino) -> Casino:
    await play_everything(casino)
    return casino


async def _a_row(casino: Casino, table: str) -> asyncpg.Record:
    order = "status = 'cashed' DESC, auto_cashout" if table == "crash_sessions" else ", ".join(_KEYS[table])
    return await casino.connection.fetchrow(f"SELECT * FROM {table} ORDER BY {order} LIMIT 1")


def _place(table: str, row: Mapping[str, Any]) -> tuple[str, str]:
    """A row's key as a condition, and in the words of a finding."""
    values = [(name, row[name]) for name in _KEYS[table]]
    condition = " AND ".join(f"{name} = '{value}'" for name, value in values)
    return condition, f"{table}, " + " ".join(f"{name} {value}" for name, value in values)


async def _changeable(casino: Casino, table: str) -> dict[str, str]:
    """Columns that are not the key, with what changes them."""
    rows = await casino.connection.fetch(
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = $1", table
    )
    return {
        name: _ALLOWED.get(name, _CHANGED.get(kind, "coalesce({0}, 0) + 1")).format(name)
        for name, kind in rows
        if name not in _REFUSED and name not in _KEYS[table]
    }


@pytest.mark.parametrize("table", list(_KEYS))
async def test_given_a_changed_column_when_verified_then_table_key_column_and_both_values_are_named(
    played: Casino, table: str
) -> None:
    assert (await verdict(played)).sound
    row = await _a_row(played, table)
    condition, place = _place(table, row)
    columns = await _changeable(played, table)
    assert len(columns) > 3
    for column, changed in columns.items():
        await played.connection.execute(f"UPDATE {table} SET {column} = {changed} WHERE {condition}")

        (message,) = [problem.message for problem in (await verdict(played)).problems]

        assert message.startswith(f"{place}: {column.partition('_')[0]}"), (column, message)
        assert " is " in message
        assert ", and the log makes it " in message
        await played.connection.execute(f"UPDATE {table} SET {column} = $1 WHERE {condition}", row[column])
    assert (await verdict(played)).sound


def _another(value: Any) -> Any:
    """A value that no row has."""
    if isinstance(value, datetime.datetime):
        return value + 1_000 * datetime.timedelta(hours=1)
    return value + ("0" * 32 if isinstance(value, str) else 1_000)


@pytest.mark.parametrize("table", list(_KEYS))
async def test_given_a_row_that_is_gone_or_too_many_when_verified_then_it_is_named(
    played: Casino, table: str
) -> None:
    row = await _a_row(played, table)
    condition, place = _place(table, row)
    await played.connection.execute(f"DELETE FROM {table} WHERE {condition}")
    assert f"{place}: the row is missing" in [problem.message for problem in (await verdict(played)).problems]

    last = _KEYS[table][-1]
    stray = dict(row) | {last: _another(row[last])}
    if "key" in stray:
        stray["key"] = "stray"  # a key is granted once
    for each in (dict(row), stray):
        places = ", ".join(f"${number}" for number in range(1, len(each) + 1))
        await played.connection.execute(
            f"INSERT INTO {table} ({', '.join(each)}) VALUES ({places})", *each.values()
        )
    said = [problem.message for problem in (await verdict(played)).problems]
    _, place = _place(table, stray)
    assert f"{place}: no event makes this row" in said
    assert len(said) <= 2


async def test_given_dead_letters_when_verified_then_their_rows_are_not_missed_until_they_are_replayed(
    casino: Casino, monkeypatch: pytest.MonkeyPatch
) -> None:
    spun = PROJECTIONS["slot.spun"]

    def broken(event: Event, economies: Economies) -> Sequence[Row]:
        if event.header.uid == 2:
            raise ValueError("broken")
        return spun(event, economies)

    await casino.connection.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN IF NEW.uid = 1 THEN RAISE check_violation; END IF; RETURN NEW; END'"
    )
    for table in ("wallet_ledger", "crash_sessions", "gacha_daily", "game_stats"):
        await casino.connection.execute(
            f"CREATE TRIGGER refuse BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION refuse()"
        )
    with monkeypatch.context() as patch:
        patch.setitem(PROJECTIONS, "slot.spun", broken)
        await play_everything(casino)
    result = await verdict(casino)
    assert result.problems == []
    assert result.dead_letters > 20

    await casino.connection.execute("DROP FUNCTION refuse() CASCADE")
    letters = await dead_letters(casino.connection)
    assert not [done.error async for done in replay(casino.connection, letters) if done.error]
    result = await verdict(casino)
    assert (result.problems, result.dead_letters) == ([], 0)


async def test_given_an_upgrade_to_the_hours_of_pools_when_verified_then_only_later_events_need_rows(
    played: Casino,
) -> None:
    await played.connection.execute("DROP TABLE pool_hours, pool_hours_after; DROP INDEX events_of_player")
    (upgrade,) = (each.sql for each in read_migrations() if each.name == "0010_console.sql")
    await played.connection.execute(upgrade)
    assert (await verdict(played)).sound

    pool = asyncpg.create_pool(played.database_url, min_size=1, max_size=2)
    async with pool, played.daemon():
        await played.until_open()
        players, rng = Players(played, pool), Random(1)
        players.clock.now_ms = round(time.time() * 1000) + 24 * HOUR_MS
        for _ in range(30):
            await players.give(PULL, rng.choice(UIDS), GachaPull(10, "festival", True))
        await played.until_caught_up()
    assert (await verdict(played)).sound

    await played.connection.execute("UPDATE pool_hours SET drawn = drawn + 1 WHERE rarity = 'Epic'")
    assert await _said(played) == {"drawn"}
    await played.connection.execute("DELETE FROM pool_hours WHERE rarity = 'Epic'")
    assert await _said(played) == {"the"}  # the row is missing


async def _said(played: Casino) -> set[str]:
    """The first word behind the place of each problem."""
    return {problem.message.partition(": ")[2].split(" ")[0] for problem in (await verdict(played)).problems}


async def test_given_a_projection_that_is_wrong_itself_when_verified_then_the_ledger_does_not_fit_the_flow(
    casino: Casino, monkeypatch: pytest.MonkeyPatch
) -> None:
    spun = PROJECTIONS["slot.spun"]

    def wrong(event: Event, economies: Economies) -> list[Any]:
        return [
            row._replace(delta=row.delta + 1) if isinstance(row, LedgerRow) else row
            for row in spun(event, economies)
        ]

    monkeypatch.setitem(PROJECTIONS, "slot.spun", wrong)
    await play_everything(casino)

    assert {check for check, _ in await found(casino)} == {"ledger"}


@pytest.fixture
async def adopted(casino: Casino) -> Casino:
    """A log that has a gap, which an operator has accepted; the game has gone on since."""
    await old_copy(casino)
    async with casino.daemon() as sync:
        await until_stopped(sync.status, "postgres_old")
        server = Server(casino.transport)
        await adopt(server, casino.connection, await find_gap(server, casino.connection, PARTITION))
        await casino.until_open()
        await Rounds(Random(5)).play(casino.unfollowed_engine(), 40)
        await casino.pull(50)
        await casino.until_caught_up()
    return casino


async def test_given_an_adopted_log_when_verified_then_its_gap_is_told_and_is_no_problem(
    adopted: Casino,
) -> None:
    result = await verdict(adopted)

    assert result.problems == []
    assert (result.adoptions, result.redis) == (1, "equal")


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        ("DELETE FROM adoptions", "ids"),
        ("DELETE FROM events WHERE (epoch, seq) = (SELECT epoch, seq - 5 FROM partitions)", "ids"),
        ("UPDATE events SET ts_ms = ts_ms + 1 WHERE seq = (SELECT split_part(first_entry, '-', 2)::int FROM adoptions)",
         "digests"),
        ("UPDATE mirror SET value = set_byte(value, 9, get_byte(value, 9) # 1) WHERE key = '{0}:player:50'", "mirror"),
        ("UPDATE mirror SET seq = seq - 1 WHERE key = '{0}:player:3'", "mirror"),
        ("UPDATE mirror SET value = value || '0' WHERE key = '{0}:pool:festival' AND field = 'Legendary'", "redis"),
        ("UPDATE wallet_ledger SET delta = delta + 1 WHERE uid = 50 AND line = 0", "ledger"),
        ("UPDATE game_stats SET rounds = rounds + 1 WHERE uid = 50", "projections"),
    ],
)  # fmt: skip
async def test_given_an_adopted_log_when_something_else_is_damaged_then_it_is_found(
    adopted: Casino, damage: str, expected: str
) -> None:
    await adopted.connection.execute(damage)

    assert expected in {check for check, _ in await found(adopted)}
