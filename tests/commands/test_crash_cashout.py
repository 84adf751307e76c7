"""`crash.cashout`: when it wins, what it pays, and what it says of rounds that are over."""

from typing import Any

import pytest

from croupier.crash.cashout import CASHOUT
from croupier.crash.settled import Settlement
from croupier_schemas import keys
from croupier_schemas.crash import CrashCashout
from croupier_schemas.economy import BALANCE_MAX
from croupier_schemas.records import CRASH, CRASH_CASHED, PLAYER
from tests.commands.conftest import OpenWorld
from tests.commands.crash_rounds import (
    CAP,
    GROWTH,
    bet,
    cash_out,
    crash_economy,
    crash_point,
    ms_until,
    open_players,
    player_who_crashes,
    record,
    settle,
    settlements,
)
from tests.commands.economies import economy
from tests.commands.world import MASTER_KEY, NOON_MS, P, World, caller, encoded
from tests.model import crash as model
from tests.model import fairness


@pytest.fixture
async def casino(open_world: OpenWorld) -> World:
    return await open_world(crash_economy(bet_max=10**10))


async def test_given_a_running_round_when_it_is_cashed_out_then_the_multiplier_by_now_is_paid(
    casino: World,
) -> None:
    uid = player_who_crashes(300, CAP)
    game = await bet(casino, uid, 333)
    casino.clock.now_ms += 10_000  # 100 * e^0.6 = 182.2...

    reply = await cash_out(casino, uid, game.game_id)

    assert (reply.game_id, reply.outcome, reply.multiplier) == (game.game_id, "cashed", 1.82)
    assert (reply.payout, reply.profit) == (606, 273)  # 333 * 1.82 = 606.06
    # Were the settlement lost, the round would go on, and nobody may know how far.
    assert reply.crash_point is None
    assert reply.receipt is not None
    assert (reply.receipt.nonce, reply.receipt.commitment) == (1, game.commitment)
    player, crash = await casino.existing_player(uid), await record(casino, uid)
    assert reply.balance == player.tokens == 1_000_273
    assert (player.payout_max, crash.game, crash.bet) == (0, bytes(16), 0)
    assert await open_players(casino) == {}


async def test_given_a_cash_out_when_its_event_is_read_then_it_has_the_round_and_the_records(
    casino: World,
) -> None:
    uid = player_who_crashes(300, CAP)
    game = await bet(casino, uid, 333, 2.5)
    casino.clock.now_ms += 10_000
    await cash_out(casino, uid, game.game_id)

    (event,) = await settlements(casino)
    settlement = Settlement.of_event(event)
    stored: Any = await casino.transport.call("MGET", keys.player(P, uid), keys.crash(P, uid))
    assert event.image(keys.player(P, uid)) == stored[0][: PLAYER.durable_size]
    assert event.image(keys.crash(P, uid)) == stored[1][: CRASH.durable_size]
    played, crash = settlement.played, settlement.crash
    assert played is not None
    assert (played.elapsed_ms, played.target_m100, played.cap_m100) == (10_000, 250, CAP)
    assert (played.growth_ppm, played.started_at_ms, played.nonce) == (GROWTH, NOON_MS, 1)
    assert (crash.settled_game.hex(), crash.settled_bet) == (game.game_id, 333)
    assert (crash.settled_outcome, crash.settled_m100, crash.settled_payout) == (CRASH_CASHED, 182, 606)
    assert crash.settled_crash_m100 == crash_point(uid)


async def test_given_a_round_when_it_is_cashed_out_at_once_then_the_bet_comes_back(casino: World) -> None:
    uid = player_who_crashes(101, CAP)
    game = await bet(casino, uid)

    reply = await cash_out(casino, uid, game.game_id)

    assert (reply.multiplier, reply.payout, reply.profit) == (1.0, 100, 0)


async def test_given_a_crash_point_of_exactly_1_when_it_is_cashed_out_at_once_then_it_is_lost(
    casino: World,
) -> None:
    uid = player_who_crashes(100, 100)
    game = await bet(casino, uid)

    reply = await cash_out(casino, uid, game.game_id)

    assert (reply.outcome, reply.multiplier, reply.payout, reply.profit) == ("crashed", 0.0, 0, -100)
    assert reply.crash_point == 1.0 and reply.receipt is not None


@pytest.mark.parametrize(("later_ms", "outcome"), [(-1, "cashed"), (0, "crashed")])
async def test_given_the_first_ms_beyond_the_crash_point_when_cashed_out_before_or_at_it_then_it_wins_or_not(
    casino: World, later_ms: int, outcome: str
) -> None:
    uid = player_who_crashes(150, 400)
    game = await bet(casino, uid)
    casino.clock.now_ms += ms_until(crash_point(uid) + 1) + later_ms

    reply = await cash_out(casino, uid, game.game_id)

    assert reply.outcome == outcome
    assert reply.multiplier == (crash_point(uid) / 100 if outcome == "cashed" else 0.0)


@pytest.mark.parametrize(
    ("later_ms", "outcome", "paid"), [(-1, "cashed", 2.49), (0, "auto", 2.5), (3_600_000, "auto", 2.5)]
)
async def test_given_a_target_when_it_is_reached_before_the_crash_then_exactly_it_is_paid_however_late(
    casino: World, later_ms: int, outcome: str, paid: float
) -> None:
    uid = player_who_crashes(250, 250)
    game = await bet(casino, uid, 1_001, 2.5)
    casino.clock.now_ms += ms_until(250) + later_ms

    reply = await cash_out(casino, uid, game.game_id)

    assert (reply.outcome, reply.multiplier, reply.payout) == (
        outcome,
        paid,
        1_001 * round(paid * 100) // 100,
    )


@pytest.mark.parametrize("later_ms", [0, 1, 3_600_000])
async def test_given_a_crash_just_below_the_target_when_cashed_out_by_then_then_it_is_lost(
    casino: World, later_ms: int
) -> None:
    uid = player_who_crashes(249, 249)
    game = await bet(casino, uid, 1_001, 2.5)
    casino.clock.now_ms += ms_until(250) + later_ms

    assert (await cash_out(casino, uid, game.game_id)).outcome == "crashed"


async def test_given_a_low_cap_when_the_round_reaches_it_then_it_is_paid(open_world: OpenWorld) -> None:
    world = await open_world(crash_economy(max_multiplier=2))
    uid = player_who_crashes(200, 200, cap=200)
    game = await bet(world, uid)
    world.clock.now_ms += 86_400_000

    reply = await cash_out(world, uid, game.game_id)

    assert (reply.outcome, reply.multiplier, reply.payout, reply.crash_point) == ("auto", 2.0, 200, 2.0)


async def test_given_the_largest_bet_and_multiplier_when_paid_then_the_payout_is_exact(casino: World) -> None:
    uid = player_who_crashes(CAP, CAP)
    await casino.put_player(uid, tokens=10**10)
    game = await bet(casino, uid, 10**10)
    casino.clock.now_ms += 200_000

    reply = await cash_out(casino, uid, game.game_id)

    assert (reply.outcome, reply.payout, reply.balance) == ("auto", 10**13, 10**13)
    assert (await casino.existing_player(uid)).tokens == 10**13


@pytest.mark.parametrize("amount", [1, 3, 9_999_999_999, 9_999_999_967, 10**10])
@pytest.mark.parametrize("target", [101, 133, 99_999, 99_989, 12_345])
async def test_given_an_odd_bet_and_target_when_it_is_paid_then_the_payout_is_floored_exactly(
    casino: World, amount: int, target: int
) -> None:
    uid = player_who_crashes(CAP, CAP)
    await casino.put_player(uid, tokens=amount)
    game = await bet(casino, uid, amount, target / 100)
    assert (await casino.existing_player(uid)).payout_max == amount * target // 100
    casino.clock.now_ms += 200_000

    assert (await cash_out(casino, uid, game.game_id)).payout == amount * target // 100


async def test_given_rounds_at_many_times_when_cashed_out_then_each_is_as_the_model_has_it(
    casino: World,
) -> None:
    for number in range(120):
        uid, auto = 1 + number % 40, (None, 1.01, 1.5, 3.0)[number % 4]
        game = await bet(casino, uid, 100 + number, auto)
        player, crash = await casino.existing_player(uid), await record(casino, uid)
        u = fairness.rolls(fairness.server_seed(MASTER_KEY, uid, 1), str(uid), player.nonce, 1)[0]
        point = model.crash_m100(u, CAP)
        casino.clock.now_ms += (0, 1, 170, 7_000, 11_111, 20_000, 40_000, 120_000)[number % 8]

        reply = await cash_out(casino, uid, game.game_id)

        asked = model.Bet(crash.bet, crash.target_m100, CAP, GROWTH, crash.started_at_ms)
        expected = model.judge(asked, point, casino.clock.now_ms, cashing_out=True)
        assert (reply.outcome, round(reply.multiplier * 100), reply.payout) == expected
        assert reply.crash_point == (None if reply.outcome == "cashed" else point / 100)


# Who may, and how often.


async def test_given_a_banned_player_when_a_round_is_cashed_out_then_it_is_refused(casino: World) -> None:
    game = await bet(casino, 1)
    await casino.change_player(1, flags=1)

    assert (await casino.refused(cash_out(casino, 1, game.game_id))).code == "PLAYER_BANNED"


@pytest.mark.parametrize("settings", [{"maintenance": True}, {"crash": {"enabled": False}}])
async def test_given_closed_games_and_an_exclusion_when_a_round_is_cashed_out_then_it_is_paid(
    casino: World, settings: dict[str, Any]
) -> None:
    uid = player_who_crashes(200, CAP)
    game = await bet(casino, uid)
    await casino.change_player(uid, excluded_until_ms=BALANCE_MAX)
    await casino.push(economy(**settings))

    assert (await cash_out(casino, uid, game.game_id)).outcome == "cashed"


async def test_given_limited_cash_outs_when_there_are_too_many_then_bets_and_pulls_are_not_counted(
    open_world: OpenWorld,
) -> None:
    rates = {"mode": "enforce", "cashout": {"STANDARD": {"per_second": 2, "per_minute": 3}}}
    world = await open_world(economy(crash={"bet_min": 1}, rate_limit=rates))
    uid = next(uid for uid in range(1, 1_000) if all(crash_point(uid, nonce) > 101 for nonce in range(1, 7)))
    for _ in range(2):
        await cash_out(world, uid, (await bet(world, uid)).game_id)
    world.clock.now_ms += 10  # the second for bets has room for 5
    game = await bet(world, uid)

    error = await world.refused(cash_out(world, uid, game.game_id))
    assert (error.code, error.fields["scope"], error.fields["window"]) == (
        "RATE_LIMITED",
        "cashout",
        "second",
    )
    assert error.retry_after_s == 0.99
    world.clock.now_ms += 990
    await cash_out(world, uid, game.game_id)
    world.clock.now_ms += 1_000
    game = await bet(world, uid)
    error = await world.refused(cash_out(world, uid, game.game_id))
    assert (error.code, error.fields["window"]) == ("RATE_LIMITED", "minute")


# The same again, and what was lost.


@pytest.mark.parametrize("later_ms", [0, 60_000])
async def test_given_a_used_key_when_anything_has_happened_since_then_the_first_reply_comes_again(
    casino: World, later_ms: int
) -> None:
    uid = player_who_crashes(150, 300)
    game = await bet(casino, uid)
    casino.clock.now_ms += later_ms
    first = await cash_out(casino, uid, game.game_id, key="order-1")
    second_game = await bet(casino, uid, 7)
    await casino.push(crash_economy(enabled=False))
    before = await casino.dump()

    outcome = await casino.engine.execute(CASHOUT, caller(uid, key="order-1"), CrashCashout(game.game_id))

    assert outcome.replayed and encoded(outcome.reply) == encoded(first)
    assert await casino.dump() == before
    reused = await casino.refused(cash_out(casino, uid, second_game.game_id, key="order-1"))
    assert reused.code == "IDEMPOTENCY_KEY_REUSED"


async def test_given_records_from_the_mirror_when_a_round_is_cashed_out_then_it_is_as_it_would_have_been(
    casino: World,
) -> None:
    """The mirror has neither the pads of the seed nor the rate log."""
    uid = player_who_crashes(150, 300)
    game = await bet(casino, uid, 100, 1.5)
    for name, layout in ((keys.player(P, uid), PLAYER), (keys.crash(P, uid), CRASH)):
        stored: Any = await casino.transport.call("GET", name)
        await casino.transport.call("SET", name, stored[: layout.durable_size])
    casino.clock.now_ms += 60_000

    reply = await cash_out(casino, uid, game.game_id)

    assert (reply.outcome, reply.multiplier) == ("auto", 1.5)
    assert reply.crash_point == crash_point(uid) / 100


async def test_given_a_new_epoch_when_an_older_round_is_settled_then_it_has_the_crash_point_of_its_nonce(
    casino: World,
) -> None:
    uid = player_who_crashes(150, 300)
    game = await bet(casino, uid, 100, 1.5)
    await casino.shut()
    await casino.open(epoch=2)
    casino.clock.now_ms += 60_000

    reply = await cash_out(casino, uid, game.game_id)

    assert reply.crash_point == crash_point(uid) / 100
    assert reply.receipt is not None and reply.receipt.nonce == 1
    assert (await bet(casino, uid)).receipt.nonce == 1_000_000_001


async def test_given_a_stale_view_when_a_settled_round_is_asked_for_then_the_engine_learns_the_new_one(
    casino: World,
) -> None:
    uid = player_who_crashes(100, 100)
    game = await bet(casino, uid)
    await settle(casino, uid, game.game_id)
    other = await casino.another_engine()
    await other.execute(CASHOUT, caller(uid), CrashCashout(game.game_id))
    pushed = await casino.push(crash_economy(bet_max=7))

    await other.execute(CASHOUT, caller(uid), CrashCashout(game.game_id))

    assert (await other.views.believed(P)).economy.version == pushed


async def test_given_a_damaged_crash_record_when_cashed_out_then_it_fails_and_nothing_is_written(
    casino: World,
) -> None:
    game = await bet(casino, 1)
    for damaged in (b"", b"\x01", b"\x02" * CRASH.size, b"garbage" * 40):
        await casino.transport.call("SET", keys.crash(P, 1), damaged)
        assert (await casino.refused(cash_out(casino, 1, game.game_id))).code == "INTERNAL"
