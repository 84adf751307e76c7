"""Dead letters: replayed exactly once, in the order of the events, and never over newer state."""

import asyncio
from collections.abc import Iterator
from random import Random
from typing import Any

import asyncpg
import pytest

from croupier.crash.bet import BET
from croupier.crash.cashout import CASHOUT
from croupier_schemas.crash import CrashBet, CrashCashout
from croupier_schemas.events import Event
from croupier_sync import projector
from croupier_sync.batch import apply
from croupier_sync.dead_letters import Replayed, dead_letters, replay
from croupier_sync.outbox import read_after
from croupier_sync.position import read_position
from croupier_sync.projections import PROJECTIONS
from croupier_sync.projector import Projector
from croupier_sync.rows import HistoryRow
from tests.sync.play import Players
from tests.sync.support import PARTITION, Casino

_PROJECTED = (
    "game_history",
    "wallet_ledger",
    "gacha_daily",
    "game_stats",
    "crash_sessions",
    "game_sessions",
)
_REFUSE = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
  'BEGIN IF NEW.uid % 2 = 1 THEN RAISE check_violation; END IF; RETURN NEW; END';
"""


@pytest.fixture(params=range(3))
def rng(request: pytest.FixtureRequest) -> Random:
    return Random(request.param)


@pytest.fixture
def broken_projections(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Projections that cannot take the events of players 2 and 3."""

    def broken(type_: str) -> Any:
        def project(event: Event, economies: Any) -> Any:
            if event.header.uid in (2, 3):
                raise ValueError("broken")
            return PROJECTIONS[type_](event, economies)

        return project

    with monkeypatch.context() as patch:
        patch.setattr(projector, "PROJECTIONS", {type_: broken(type_) for type_ in PROJECTIONS})
        yield patch


async def _take(casino: Casino) -> None:
    """Bring Postgres up to date, by hand."""
    position = await read_position(casino.connection, PARTITION)
    events = await read_after(casino.transport, await casino.stream(), position, 1_000)
    await apply(casino.connection, Projector(), position, events)


async def _refuse(casino: Casino, *tables: str) -> None:
    await casino.connection.execute(_REFUSE)
    for table in tables:
        await casino.connection.execute(
            f"CREATE TRIGGER refuse BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION refuse()"
        )


async def _stop_refusing(casino: Casino) -> None:
    await casino.connection.execute("DROP FUNCTION refuse() CASCADE")


async def _play(casino: Casino, rng: Random, players: Players) -> None:
    for uid in (1, 2, 3, 4):
        for _ in range(3):
            await players.play(rng, uid)


async def _replay_all(connection: asyncpg.Connection) -> list[Replayed]:
    return [each async for each in replay(connection, await dead_letters(connection))]


async def _projected(casino: Casino) -> dict[str, list[Any]]:
    return {table: rows for table, rows in (await casino.dump()).items() if table in _PROJECTED}


async def _as_if_nothing_had_failed(casino: Casino) -> dict[str, list[Any]]:
    """What the projections hold when all events are projected in their order, on empty tables."""
    await casino.connection.execute(f"TRUNCATE {', '.join(_PROJECTED)}")
    log, anew = await casino.log(), Projector()
    await anew.prepare(casino.connection, log)
    async with casino.connection.transaction():
        played = [event for event in log if event.header.type != "economy.changed"]
        await anew.write(casino.connection, anew.project(played), carefully=False)
    return await _projected(casino)


async def test_given_projections_and_tables_that_failed_when_replayed_then_all_is_as_if_nothing_had(
    casino: Casino, pool: asyncpg.Pool, rng: Random, broken_projections: pytest.MonkeyPatch
) -> None:
    await casino.have_played()
    players = Players(casino, pool)
    sessions = {uid: await players.session(uid, "slot") for uid in (1, 2)}
    # What failed comes first and last, so that newer rows are there for some of it.
    await _refuse(casino, "gacha_daily", "game_stats", "crash_sessions", "game_sessions", "wallet_ledger")
    await _play(casino, rng, players)
    await _take(casino)
    await _stop_refusing(casino)
    broken_projections.undo()
    await players.end(1, sessions[1].session_id)
    await _play(casino, rng, players)
    await _take(casino)

    before = await casino.dump()
    letters = await dead_letters(casino.connection)
    assert letters == sorted(letters, key=lambda letter: letter.event)
    assert {letter.event.seq for letter in letters}
    other = await asyncpg.connect(casino.database_url)
    outcomes = await asyncio.gather(_replay_all(casino.connection), _replay_all(other))
    await other.close()

    done = [each.letter for side in outcomes for each in side]
    assert sorted(done) == sorted(letters)
    assert not any(each.error for side in outcomes for each in side)
    assert await dead_letters(casino.connection) == []
    after = await casino.dump()
    assert (after["events"], after["mirror"]) == (before["events"], before["mirror"])
    await casino.require_mirror()
    assert await _projected(casino) == await _as_if_nothing_had_failed(casino)


async def test_given_a_trigger_that_raises_an_exception_of_its_own_when_followed_then_only_its_rows_are_left_out(
    casino: Casino,
) -> None:
    await casino.have_played()
    await casino.connection.execute(_REFUSE.replace("RAISE check_violation", "RAISE EXCEPTION ''no''"))
    await casino.connection.execute(
        "CREATE TRIGGER refuse BEFORE INSERT ON game_history FOR EACH ROW EXECUTE FUNCTION refuse()"
    )

    await _require_one_letter(casino, "RaiseError")


async def test_given_a_projection_with_values_of_a_wrong_type_when_followed_then_only_its_rows_are_left_out(
    casino: Casino, monkeypatch: pytest.MonkeyPatch
) -> None:
    await casino.have_played()

    def wrong(event: Event, economies: Any) -> Any:
        for row in PROJECTIONS["gacha.pulled"](event, economies):
            if isinstance(row, HistoryRow) and row.uid == 1:
                wrong_type: Any = str(row.uid)
                yield row._replace(uid=wrong_type)
            else:
                yield row

    monkeypatch.setattr(projector, "PROJECTIONS", {**PROJECTIONS, "gacha.pulled": wrong})

    await _require_one_letter(casino, "TypeError")


async def _require_one_letter(casino: Casino, error: str) -> None:
    """Of two pulls the first one's line of the history is a dead letter, and all else of both is there."""
    await casino.pull(1)
    await casino.pull(2)

    await _take(casino)

    (letter,) = await dead_letters(casino.connection)
    assert letter.projection == "game_history"
    assert error in letter.error
    await casino.require_events_are(await casino.log())
    await casino.require_mirror()
    await casino.require_ledger_adds_up()


async def test_given_a_cause_that_is_still_there_when_replayed_then_the_letter_stays_with_its_rows_unwritten(
    casino: Casino,
) -> None:
    await casino.have_played()
    await _refuse(casino, "game_history")
    await casino.pull(1)
    await casino.pull(2)
    await _take(casino)
    before = await casino.dump()
    (first,) = await _replay_all(casino.connection)
    assert "CheckViolation" in first.error
    (letter,) = await dead_letters(casino.connection)
    assert (letter.projection, letter.replays) == ("game_history", 1)
    assert await casino.dump() == before
    await _stop_refusing(casino)
    assert [each.error for each in await _replay_all(casino.connection)] == [""]
    assert await _replay_all(casino.connection) == []
    assert await _projected(casino) == await _as_if_nothing_had_failed(casino)


async def test_given_a_bet_among_the_dead_letters_when_its_round_was_settled_since_then_it_stays_settled(
    casino: Casino,
    pool: asyncpg.Pool,
) -> None:
    await casino.have_played()
    players = Players(casino, pool)
    await _refuse(casino, "crash_sessions")
    opened = await players.give(BET, 1, CrashBet(100))
    await _take(casino)
    await _stop_refusing(casino)
    await players.give(CASHOUT, 1, CrashCashout(opened.game_id))
    await _take(casino)
    before = await _projected(casino)
    assert [each.error for each in await _replay_all(casino.connection)] == [""]
    assert await _projected(casino) == before
    assert await casino.connection.fetchval("SELECT status FROM crash_sessions") in ("cashed", "crashed")


async def test_given_a_daemon_at_work_when_dead_letters_are_replayed_then_neither_disturbs_the_other(
    casino: Casino, broken_projections: pytest.MonkeyPatch
) -> None:
    await casino.have_played()
    for _ in range(30):
        await casino.pull(2)
    await _take(casino)
    broken_projections.undo()
    letters = len(await dead_letters(casino.connection))
    async with casino.daemon():

        async def go_on() -> None:
            for _ in range(60):
                await casino.pull(2)

        _, outcomes = await asyncio.gather(go_on(), _replay_all(casino.connection))
        assert len(outcomes) == letters >= 30
        assert not any(each.error for each in outcomes)
        await casino.until_caught_up()
    await casino.require_ledger_adds_up()
    assert await _projected(casino) == await _as_if_nothing_had_failed(casino)
