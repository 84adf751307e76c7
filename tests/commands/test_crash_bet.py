"""`crash.bet`: what it takes, what it answers, and what it refuses."""

import asyncio
from typing import Any

import pytest

from croupier.command import Caller
from croupier.crash.bet import BET
from croupier.crash.current import CURRENT
from croupier.crash.rounds import target_m100
from croupier.errors import CroupierError
from croupier_schemas import keys
from croupier_schemas.crash import CrashBet, CrashCurrentReply, CrashSession
from croupier_schemas.economy import BALANCE_MAX
from croupier_schemas.records import CRASH, PLAYER
from tests.commands.conftest import OpenWorld
from tests.commands.crash_rounds import (
    CAP,
    GROWTH,
    bet,
    cash_out,
    crash_economy,
    open_players,
    player_who_crashes,
    record,
)
from tests.commands.economies import economy
from tests.commands.world import NOON_MS, P, World, caller, encoded


@pytest.fixture
async def casino(open_world: OpenWorld) -> World:
    return await open_world(crash_economy(bet_min=10, bet_max=1_000_000, bet_step=5))


async def test_given_a_new_player_when_a_bet_is_placed_then_it_is_deducted_and_the_round_is_open(
    casino: World,
) -> None:
    asked = caller(1)
    reply = (await casino.engine.execute(BET, asked, CrashBet(100, 2.5))).reply

    player, crash = await casino.existing_player(1), await record(casino, 1)
    assert reply.game_id == asked.op_id.hex() == crash.game.hex()
    assert reply.balance == player.tokens == 999_900
    assert reply.commitment == reply.receipt.commitment == player.commitment.hex()
    assert reply.started_at_ms == NOON_MS
    assert (reply.receipt.nonce, player.nonce) == (1, 1)
    assert player.payout_max == 250
    assert (crash.bet, crash.target_m100, crash.cap_m100, crash.growth_ppm) == (100, 250, CAP, GROWTH)
    assert (crash.started_at_ms, crash.nonce) == (NOON_MS, 1)
    assert await open_players(casino) == {1: NOON_MS}


async def test_given_a_bet_when_its_event_is_read_then_it_is_the_records_and_no_result(casino: World) -> None:
    await bet(casino, 1)

    (event,) = await casino.events("crash.bet_placed")
    stored: Any = await casino.transport.call("MGET", keys.player(P, 1), keys.crash(P, 1))
    assert (event.created, event.result) == (True, b"")
    assert event.image(keys.player(P, 1)) == stored[0][: PLAYER.durable_size]
    assert event.image(keys.crash(P, 1)) == stored[1][: CRASH.durable_size]
    assert len(event.changes) == 2


async def test_given_no_target_when_a_bet_is_placed_then_it_is_the_cap(casino: World) -> None:
    await bet(casino, 1, 100)

    assert (await record(casino, 1)).target_m100 == CAP
    assert (await casino.existing_player(1)).payout_max == 100_000


@pytest.mark.parametrize(
    ("auto", "target"),
    [
        (1.01, 101),
        (1.1, 110),
        (2.0, 200),
        (2.3, 230),
        (1.15, 115),
        (4.35, 435),
        (999.99, 99_999),
        (1000.0, 100_000),
    ],
)
async def test_given_a_target_when_a_bet_is_placed_then_it_is_kept_in_whole_hundredths(
    casino: World, auto: float, target: int
) -> None:
    await bet(casino, 1, 100, auto)

    assert (await record(casino, 1)).target_m100 == target


def test_given_every_target_there_is_when_converted_then_it_is_exact() -> None:
    for hundredths in range(101, 100_001):
        assert target_m100(float(f"{hundredths // 100}.{hundredths % 100:02d}"), 100_000) == hundredths


@pytest.mark.parametrize(
    "auto",
    [
        1.0,
        1.009,
        1.001,
        0.0,
        -2.0,
        1000.01,
        1e300,
        2.005,
        2.001,
        1.0100001,
        999.999,
        float("nan"),
        float("inf"),
    ],
)
async def test_given_a_target_that_is_none_when_a_bet_is_placed_then_it_is_refused_with_details(
    casino: World, auto: float
) -> None:
    error = await casino.refused(bet(casino, 1, 100, auto))

    assert error.code == "VALIDATION_ERROR"
    details: Any = error.fields["details"]
    assert details["field"] == "auto_cashout" and "1.01 to 1000" in details["allowed"]


async def test_given_a_lower_cap_when_a_target_is_above_it_then_it_is_refused(open_world: OpenWorld) -> None:
    world = await open_world(crash_economy(max_multiplier=10))

    assert (await world.refused(bet(world, 1, 100, 10.01))).code == "VALIDATION_ERROR"
    await bet(world, 1, 100, 10.0)


@pytest.mark.parametrize("amount", [0, 5, 9, 11, 999_999, 1_000_005, 10**15])
async def test_given_a_bet_out_of_range_when_placed_then_it_is_refused(casino: World, amount: int) -> None:
    error = await casino.refused(bet(casino, 1, amount))

    assert (error.code, error.fields) == ("BET_OUT_OF_RANGE", {"min": 10, "max": 1_000_000, "step": 5})


@pytest.mark.parametrize("amount", [10, 15, 1_000_000])
async def test_given_a_bet_at_a_bound_when_placed_then_it_is_taken(casino: World, amount: int) -> None:
    assert (await bet(casino, 1, amount)).balance == 1_000_000 - amount


async def test_given_the_whole_balance_when_it_is_bet_then_nothing_is_left_and_one_more_is_refused(
    casino: World,
) -> None:
    await casino.put_player(1, tokens=500)
    await casino.put_player(2, tokens=495)

    assert (await bet(casino, 1, 500)).balance == 0
    error = await casino.refused(bet(casino, 2, 500))
    assert error.code == "INSUFFICIENT_BALANCE"
    assert error.fields == {"balance": 495, "required": 500, "currency": "tokens"}


async def test_given_the_largest_balance_when_the_payout_just_fits_then_it_is_taken_and_one_more_refused(
    casino: World,
) -> None:
    await casino.put_player(1, tokens=BALANCE_MAX - 150)  # less the bet of 100, plus at most 250
    await casino.put_player(2, tokens=BALANCE_MAX - 149)

    await bet(casino, 1, 100, 2.5)
    error = await casino.refused(bet(casino, 2, 100, 2.5))

    assert (error.code, error.fields) == ("BALANCE_CAP", {"balance": BALANCE_MAX - 149, "max": BALANCE_MAX})


async def test_given_an_open_bet_when_its_payout_comes_then_the_balance_ends_at_the_cap_exactly(
    casino: World,
) -> None:
    uid = player_who_crashes(250, CAP)
    await casino.put_player(uid, tokens=BALANCE_MAX - 150)
    game = await bet(casino, uid, 100, 2.5)
    casino.clock.now_ms += 60_000

    reply = await cash_out(casino, uid, game.game_id)

    assert (reply.outcome, reply.balance) == ("auto", BALANCE_MAX)


async def test_given_an_open_bet_when_another_one_is_placed_then_it_is_refused(casino: World) -> None:
    await bet(casino, 1)

    assert (await casino.refused(bet(casino, 1, 10))).code == "CRASH_BET_ACTIVE"


async def test_given_100_bets_at_once_when_they_are_answered_then_one_round_is_open(casino: World) -> None:
    engines = [await casino.another_engine() for _ in range(4)]

    async def attempt(number: int) -> str:
        try:
            return (await bet(casino, 1, 10, engine=engines[number % 4])).game_id
        except CroupierError as error:
            return error.code

    answers = await asyncio.gather(*(attempt(number) for number in range(100)))

    opened = [answer for answer in answers if answer != "CRASH_BET_ACTIVE"]
    assert len(opened) == 1 and (await record(casino, 1)).game.hex() == opened[0]
    assert (await casino.existing_player(1)).tokens == 999_990
    assert len(await casino.events("crash.bet_placed")) == 1


async def test_given_an_open_bet_when_the_seed_is_rotated_then_it_is_refused(casino: World) -> None:
    await bet(casino, 1)

    assert (await casino.refused(casino.rotate(1))).code == "CRASH_BET_ACTIVE"


@pytest.mark.parametrize(
    ("fields", "code"),
    [({"flags": 1}, "PLAYER_BANNED"), ({"excluded_until_ms": NOON_MS + 1}, "PLAYER_EXCLUDED")],
)
async def test_given_a_player_who_may_not_play_when_a_bet_is_placed_then_it_is_refused(
    casino: World, fields: dict[str, int], code: str
) -> None:
    await casino.put_player(1, **fields)

    assert (await casino.refused(bet(casino, 1))).code == code


@pytest.mark.parametrize(
    ("settings", "code"),
    [({"crash": {"enabled": False}}, "GAME_DISABLED"), ({"maintenance": True}, "MAINTENANCE")],
)
async def test_given_a_game_that_is_closed_when_a_bet_is_placed_then_it_is_refused(
    open_world: OpenWorld, settings: dict[str, Any], code: str
) -> None:
    world = await open_world(economy(**settings))

    error = await world.refused(bet(world, 1))

    assert error.code == code and error.retry_after_s


async def test_given_a_used_key_when_the_round_is_over_then_the_bets_first_reply_comes_again(
    casino: World,
) -> None:
    first = await bet(casino, 1, 100, 2.5, key="order-1")
    casino.clock.now_ms += 1_000
    await cash_out(casino, 1, first.game_id)
    await bet(casino, 1, 10)
    before = await casino.dump()

    outcome = await casino.engine.execute(BET, caller(1, key="order-1"), CrashBet(100, 2.5))

    assert outcome.replayed and encoded(outcome.reply) == encoded(first)
    assert await casino.dump() == before
    reused = await casino.refused(bet(casino, 1, 100, 2.51, key="order-1"))
    assert reused.code == "IDEMPOTENCY_KEY_REUSED"


async def test_given_a_used_key_when_the_game_is_closed_by_then_the_first_reply_still_comes_again(
    casino: World,
) -> None:
    first = await bet(casino, 1, 100, 2.5, key="order-1")
    await casino.push(crash_economy(enabled=False, max_multiplier=2))

    assert encoded(await bet(casino, 1, 100, 2.5, key="order-1")) == encoded(first)


async def test_given_an_open_bet_when_the_economy_changes_then_the_round_keeps_its_growth_and_cap(
    casino: World,
) -> None:
    uid = player_who_crashes(300, CAP)
    game = await bet(casino, uid)
    await casino.push(crash_economy(max_multiplier=2, growth_ppm=1_000))
    casino.clock.now_ms += 15_000  # e^(0.06 * 15) = 2.4596...

    assert (await cash_out(casino, uid, game.game_id)).multiplier == 2.45


async def current(world: World, asked: Caller) -> CrashCurrentReply:
    reply: CrashCurrentReply = await world.ask(CURRENT, asked)
    return reply


async def test_given_an_open_round_when_it_is_looked_up_then_its_player_sees_it_and_nobody_else(
    casino: World,
) -> None:
    none = CrashCurrentReply(available=False, session=None)
    assert await current(casino, caller(1)) == none
    game = await bet(casino, 1, 100, 2.5)

    session = CrashSession(game.game_id, 100, 2.5, NOON_MS)
    assert await current(casino, caller(1)) == CrashCurrentReply(available=True, session=session)
    assert await current(casino, caller(2, role="admin")) == none

    await cash_out(casino, 1, game.game_id)
    assert await current(casino, caller(1)) == none
    await bet(casino, 1)
    seen = (await current(casino, caller(1))).session
    assert seen is not None and seen.auto_cashout is None
