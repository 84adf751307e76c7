"""`crash.cashout` of rounds that are over, or never were: told again, or not found, and nothing changes."""

import pytest

from tests.commands.conftest import OpenWorld
from tests.commands.crash_rounds import (
    CAP,
    bet,
    cash_out,
    crash_economy,
    crash_point,
    player_who_crashes,
    record,
    settle,
)
from tests.commands.world import World

NOBODYS = "0" * 31 + "1"


@pytest.fixture
async def casino(open_world: OpenWorld) -> World:
    return await open_world(crash_economy())


@pytest.mark.parametrize("game_id", [NOBODYS, "0" * 32, "", "x", "F" * 32, "0" * 64])
@pytest.mark.parametrize("history", ["new", "open", "settled"])
async def test_given_no_such_round_when_it_is_cashed_out_then_it_is_not_found(
    casino: World, game_id: str, history: str
) -> None:
    if history != "new":
        uid = player_who_crashes(100, 100)
        game = await bet(casino, uid)
        if history == "settled":
            assert await settle(casino, uid, game.game_id)
    else:
        uid = 1

    assert (await casino.refused(cash_out(casino, uid, game_id))).code == "CRASH_NO_ACTIVE_BET"


async def test_given_somebody_elses_round_when_it_is_cashed_out_then_it_is_not_found(casino: World) -> None:
    game = await bet(casino, 1)
    await bet(casino, 2)

    assert (await casino.refused(cash_out(casino, 2, game.game_id))).code == "CRASH_NO_ACTIVE_BET"


async def test_given_a_round_that_was_cashed_out_when_it_is_asked_for_again_without_a_key_then_it_is_not_found(
    casino: World,
) -> None:
    uid = player_who_crashes(101, CAP)
    game = await bet(casino, uid)
    await cash_out(casino, uid, game.game_id)

    assert (await casino.refused(cash_out(casino, uid, game.game_id))).code == "CRASH_NO_ACTIVE_BET"


@pytest.mark.parametrize(
    ("low", "high", "outcome"), [(300, CAP, "auto"), (101, 299, "crashed"), (100, 100, "crashed")]
)
async def test_given_a_round_that_the_server_settled_when_it_is_cashed_out_then_it_says_how_and_changes_nothing(
    casino: World, low: int, high: int, outcome: str
) -> None:
    uid = player_who_crashes(low, high)
    game = await bet(casino, uid, 100, 3.0)
    casino.clock.now_ms += 60_000
    assert await settle(casino, uid, game.game_id)
    before = await casino.dump()

    for key in ("", "order-1", "order-1"):
        reply = await cash_out(casino, uid, game.game_id, key=key)
        assert (reply.game_id, reply.outcome, reply.receipt) == (game.game_id, outcome, None)
        assert reply.payout == (300 if outcome == "auto" else 0)
        assert reply.profit == reply.payout - 100
        assert reply.balance == 999_900 + reply.payout
        assert reply.crash_point == crash_point(uid) / 100
    assert await casino.dump() == before


async def test_given_a_new_open_round_when_the_one_before_is_cashed_out_late_then_the_new_one_is_not_touched(
    casino: World,
) -> None:
    uid = player_who_crashes(100, 100)
    first = await bet(casino, uid)
    await settle(casino, uid, first.game_id)
    second = await bet(casino, uid, 50)
    before = await casino.dump()

    reply = await cash_out(casino, uid, first.game_id)

    assert (reply.game_id, reply.outcome, reply.balance) == (first.game_id, "crashed", 999_850)
    assert await casino.dump() == before
    assert (await record(casino, uid)).game.hex() == second.game_id


async def test_given_a_new_open_round_when_the_one_cashed_out_before_is_asked_for_then_it_is_not_found(
    casino: World,
) -> None:
    uid = player_who_crashes(101, CAP)
    first = await bet(casino, uid)
    await cash_out(casino, uid, first.game_id)
    await bet(casino, uid, 50)

    assert (await casino.refused(cash_out(casino, uid, first.game_id))).code == "CRASH_NO_ACTIVE_BET"


async def test_given_a_clock_set_back_when_a_round_is_cashed_out_then_no_time_has_passed(
    casino: World,
) -> None:
    uid = player_who_crashes(200, CAP)
    game = await bet(casino, uid)
    casino.clock.now_ms -= 3_600_000

    reply = await cash_out(casino, uid, game.game_id)

    assert (reply.outcome, reply.multiplier, reply.payout) == ("cashed", 1.0, 100)
