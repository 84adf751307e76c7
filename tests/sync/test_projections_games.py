"""Projections of the games: history, ledger, statistics, crash rounds and sessions, each exactly as the events say."""

import datetime
import json
from collections import Counter
from decimal import Decimal
from random import Random
from typing import Any

import asyncpg
import pytest
from msgspec.structs import replace

from croupier.clock import utc
from croupier.crash.bet import BET
from croupier.crash.settled import Settlement
from croupier.rps.play import PLAY
from croupier.sessions.rules import IDLE_MS
from croupier.slot.spin import SPIN
from croupier_schemas.crash import CrashBet
from croupier_schemas.events import Event
from croupier_schemas.rps import RpsPlay
from croupier_schemas.slot import SlotSpin
from croupier_sync.batch import apply
from croupier_sync.limits import Limits
from croupier_sync.outbox import read_after
from croupier_sync.position import read_position
from croupier_sync.projector import Projector
from tests.sync.play import HOUR_MS, Players
from tests.sync.recount import held_stats, recount
from tests.sync.support import PARTITION, Casino

ROUNDS, PLAYERS = 120, 4
GAMES = {"gacha.pulled", "slot.spun", "rps.played", "crash.settled"}


@pytest.fixture
async def players(casino: Casino, pool: asyncpg.Pool) -> Players:
    """A casino that is open, and that no daemon follows."""
    async with casino.daemon():
        await casino.until_open()
        await casino.until_caught_up()
    return Players(casino, pool)


async def _waiting(casino: Casino) -> list[Event]:
    """The events that Postgres does not have yet."""
    position = await read_position(casino.connection, PARTITION)
    return await read_after(casino.transport, await casino.stream(), position, 1000)


async def _apply(casino: Casino, events: list[Event]) -> Projector:
    projector = Projector()
    await apply(casino.connection, projector, await read_position(casino.connection, PARTITION), events)
    return projector


async def _rows(casino: Casino, statement: str) -> list[dict[str, Any]]:
    return [dict(row) for row in await casino.connection.fetch(statement)]


@pytest.mark.parametrize("batch_max", [1, 7, 5_000])
async def test_given_rounds_of_all_games_when_followed_then_all_tables_are_what_the_events_say(
    casino: Casino, players: Players, batch_max: int
) -> None:
    rng = Random(batch_max)
    for index in range(ROUNDS):
        await players.play(rng, 1 + index % PLAYERS)
    log = await casino.log()
    assert {event.header.type for event in log} >= GAMES

    async with casino.daemon(Limits(batch_max=batch_max)):
        await casino.until_caught_up()

    assert await held_stats(casino) == recount(log)
    await casino.require_ledger_adds_up()
    await casino.require_mirror()
    history = await _rows(casino, "SELECT * FROM game_history ORDER BY epoch, seq")
    assert [row["seq"] for row in history] == [
        event.id.seq for event in log if event.header.type in GAMES | {"crash.bet_placed"}
    ]
    assert sum(row["delta_coin"] for row in history) == sum(
        sums["total_win"] - sums["total_bet"] for sums in recount(log).values()
    )
    assert await _rows(casino, "SELECT * FROM projection_failures") == []


async def test_given_crash_rounds_when_followed_then_each_has_one_row_of_how_it_ended(
    casino: Casino, players: Players
) -> None:
    replies = {}
    for index in range(40):
        auto, after_ms = [(2.0, HOUR_MS), (None, 0)][index % 2]
        reply = await players.crash(1 + index % 3, 100, auto, after_ms=after_ms)
        replies[reply.game_id] = reply
    opened = await players.give(BET, 9, CrashBet(300, 1.5))
    events = await _waiting(casino)
    settled = {event.id.seq: event for event in events if event.header.type == "crash.settled"}
    started = {event.id.seq + 1: event for event in events if event.header.type == "crash.bet_placed"}

    async with casino.daemon(Limits(batch_max=3)):  # some rounds are whole in a batch, others in two
        await casino.until_caught_up()

    rows = {row["external_session_id"]: row for row in await _rows(casino, "SELECT * FROM crash_sessions")}
    assert set(rows) == {*replies, opened.game_id}
    assert {reply.outcome for reply in replies.values()} == {"auto", "cashed", "crashed"}
    for game_id, reply in replies.items():
        paid = reply.outcome != "crashed"
        seq = reply.receipt.seq
        assert rows[game_id] == {
            "external_session_id": game_id,
            "uid": settled[seq].header.uid,
            "status": "cashed" if paid else "crashed",
            "bet_amount": 100,
            "auto_cashout": Decimal("2.00") if rows[game_id]["auto_cashout"] is not None else None,
            "cashout_multiplier": Decimal(str(reply.multiplier)) if paid else None,
            "crash_multiplier": Decimal(Settlement.of_event(settled[seq]).crash.settled_crash_m100) / 100,
            "payout_amount": reply.payout,
            "started_at": utc(started[seq].ts_ms),
            "cashed_out_at": utc(settled[seq].ts_ms) if paid else None,
        }
    assert sum(row["auto_cashout"] is not None for row in rows.values()) == 21
    assert rows[opened.game_id] == {
        "external_session_id": opened.game_id,
        "uid": 9,
        "status": "active",
        "bet_amount": 300,
        "auto_cashout": Decimal("1.50"),
        "cashout_multiplier": None,
        "crash_multiplier": None,
        "payout_amount": None,
        "started_at": utc(opened.started_at_ms),
        "cashed_out_at": None,
    }
    actions = Counter(row["action_type"] for row in await _rows(casino, "SELECT * FROM game_history"))
    outcomes = Counter(reply.outcome for reply in replies.values())
    assert actions == {
        "bet": 41,
        "cashout": outcomes["cashed"],
        "auto": outcomes["auto"],
        "crashed": outcomes["crashed"],
    }
    stats = await held_stats(casino)
    assert (9, "crash") not in stats  # a round counts when it is over
    await casino.require_ledger_adds_up()


async def test_given_an_open_crash_round_when_projected_then_nothing_tells_its_crash_point(
    casino: Casino, players: Players
) -> None:
    opened = await players.give(BET, 1, CrashBet(300))
    await _apply(casino, await _waiting(casino))

    meta = await casino.connection.fetchval("SELECT result_meta::text FROM game_history")
    assert json.loads(meta) == {"game_id": opened.game_id, "bet_amount": 300, "auto_cashout": None}
    assert await casino.connection.fetchval("SELECT crash_multiplier FROM crash_sessions") is None


async def test_given_rounds_when_projected_then_history_has_the_words_of_the_replies(
    casino: Casino, players: Players
) -> None:
    spin = await players.give(SPIN, 1, SlotSpin(300))
    play = await players.give(PLAY, 1, RpsPlay("PAPER", 50))
    crash = await players.crash(1, 200, 1.01, after_ms=HOUR_MS)
    await _apply(casino, await _waiting(casino))

    rows = await casino.connection.fetch(
        "SELECT game_type, action_type, delta_coin, delta_gem, result_meta::text FROM game_history ORDER BY seq"
    )

    slot, rps, _bet, settled = [(*row[:4], json.loads(row[4])) for row in rows]
    reels = [list(reel) for reel in spin.reels]
    assert slot == (
        "slot", "spin", spin.payout - 300, 0, {"bet_amount": 300, "reels": reels, "payout": spin.payout},
    )  # fmt: skip
    assert rps == (
        "rps", "play", play.payout - 50, 0,
        {
            "player_move": "PAPER", "server_move": play.server_move, "outcome": play.outcome,
            "deterministic": False, "bet_amount": 50, "payout": play.payout,
        },
    )  # fmt: skip
    assert settled[:4] == ("crash", "auto" if crash.payout else "crashed", crash.payout, 0)
    assert settled[4] == {
        "game_id": crash.game_id, "bet_amount": 200, "outcome": crash.outcome,
        "multiplier": crash.multiplier or None, "crash_point": crash.crash_point, "payout": crash.payout,
        "profit": crash.profit,
    }  # fmt: skip


@pytest.mark.parametrize("batch_max", [1, 5_000])
async def test_given_sessions_when_followed_then_each_has_a_row_of_what_was_played(
    casino: Casino, players: Players, batch_max: int
) -> None:
    first = await players.session(1, "slot")
    spins = [await players.give(SPIN, 1, SlotSpin(100)) for _ in range(5)]
    result = (await players.end(1, first.session_id)).result_data
    ended_ms = players.clock()
    open_one = await players.session(2, "rps")
    left = await players.session(3, "slot")
    await players.give(SPIN, 3, SlotSpin(200))
    left_ms = players.clock()
    players.clock.now_ms += IDLE_MS
    after = await players.session(3, "slot")

    async with casino.daemon(Limits(batch_max=batch_max)):
        await casino.until_caught_up()

    rows = {row["session_id"]: row for row in await _rows(casino, "SELECT * FROM game_sessions")}
    assert set(rows) == {reply.session_id for reply in (first, open_one, left, after)}
    assert rows[first.session_id] == {
        "session_id": first.session_id, "uid": 1, "game_type": "slot", "started_at": first.started_at,
        "ended_at": utc(ended_ms), "rounds": 5, "bet": 500, "win": sum(spin.payout for spin in spins),
    }  # fmt: skip
    assert (result.total_bet, result.total_win) == (500, rows[first.session_id]["win"])
    assert (rows[open_one.session_id]["ended_at"], rows[open_one.session_id]["rounds"]) == (None, 0)
    # Nobody ended it; the next one's start did.
    assert rows[left.session_id]["ended_at"] == utc(left_ms)
    assert (rows[left.session_id]["rounds"], rows[left.session_id]["bet"]) == (1, 200)
    assert (rows[after.session_id]["ended_at"], rows[after.session_id]["bet"]) == (None, 0)
    grants = "SELECT uid, currency FROM wallet_ledger WHERE type = 'player.created' ORDER BY uid, currency"
    assert [tuple(row.values()) for row in await _rows(casino, grants)] == [
        (uid, currency) for uid in (1, 2, 3) for currency in ("gems", "tokens")
    ]
    await casino.require_ledger_adds_up()


async def test_given_a_round_that_cannot_be_read_when_projected_then_only_it_is_missing(
    casino: Casino, players: Players
) -> None:
    for _ in range(3):
        await players.give(SPIN, 1, SlotSpin(100))
    first, second, third = await _waiting(casino)

    projector = await _apply(casino, [first, replace(second, result=b"?"), third])

    assert projector.failures == 1
    failures = await _rows(casino, "SELECT seq, projection FROM projection_failures")
    assert failures == [{"seq": second.id.seq, "projection": "slot.spun"}]
    assert await held_stats(casino) == recount([first, third])
    assert await casino.connection.fetchval("SELECT count(*) FROM events WHERE type = 'slot.spun'") == 3


async def test_given_a_row_that_the_statistics_refuse_when_projected_then_the_others_count_once(
    casino: Casino, players: Players
) -> None:
    for uid in (1, 2, 1, 2):
        await players.give(SPIN, uid, SlotSpin(100))
    await casino.connection.execute("ALTER TABLE game_stats ADD CHECK (uid <> 2)")
    events = await _waiting(casino)

    projector = await _apply(casino, events)

    assert projector.failures == 2
    failed = await _rows(casino, "SELECT seq, projection FROM projection_failures ORDER BY seq")
    assert failed == [{"seq": events[i].id.seq, "projection": "game_stats"} for i in (1, 3)]
    assert await held_stats(casino) == recount(event for event in events if event.header.uid == 1)
    assert await casino.connection.fetchval("SELECT count(*) FROM game_history") == 4


async def test_given_statistics_when_a_batch_comes_later_then_last_played_at_does_not_go_back(
    casino: Casino, players: Players
) -> None:
    await players.give(SPIN, 1, SlotSpin(100))
    at = players.clock()
    await _apply(casino, await _waiting(casino))
    players.clock.now_ms -= 60_000
    await players.give(SPIN, 1, SlotSpin(100))
    await _apply(casino, await _waiting(casino))

    (row,) = (await held_stats(casino)).values()

    assert (row["rounds"], row["last_played_at"]) == (2, utc(at))
    assert isinstance(row["last_played_at"], datetime.datetime)
