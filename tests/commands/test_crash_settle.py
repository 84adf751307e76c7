"""`crash.settle`: what the sweeper asks for; it settles what is over, and only that."""

from typing import Any

import pytest

from croupier_schemas import keys
from croupier_schemas.records import CRASH, PLAYER, SESSION, Session
from tests.commands.conftest import OpenWorld
from tests.commands.crash_rounds import (
    CAP,
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
from tests.commands.world import NOON_MS, P, World

CRASH_BIT = 2


@pytest.fixture
async def casino(open_world: OpenWorld) -> World:
    return await open_world(crash_economy())


async def unchanged(world: World, uid: int, game_id: str) -> bool:
    """Settle, which must leave every byte as it was."""
    before = await world.dump()
    settled = await settle(world, uid, game_id)
    assert await world.dump() == before
    return not settled


async def test_given_a_running_round_when_it_is_to_be_settled_then_it_is_left_as_it_is(casino: World) -> None:
    uid = player_who_crashes(150, 400)
    game = await bet(casino, uid)
    end_ms = ms_until(crash_point(uid) + 1)

    for elapsed_ms in (0, 1, end_ms // 2, end_ms - 1):
        casino.clock.now_ms = NOON_MS + elapsed_ms
        assert await unchanged(casino, uid, game.game_id)


@pytest.mark.parametrize("later_ms", [0, 1, 250, 3_600_000, 10 * 365 * 86_400_000])
@pytest.mark.parametrize(
    ("low", "high", "auto", "outcome"),
    [
        (150, 400, None, 3), (100, 100, None, 3), (100, 100, 1.01, 3), (150, 199, 2.0, 3),
        (200, 400, 2.0, 2), (101, 101, 1.01, 2), (CAP, CAP, None, 2),
    ],
)  # fmt: skip
async def test_given_a_round_that_is_over_when_it_is_settled_then_it_is_as_it_ended_however_late(
    casino: World, low: int, high: int, auto: float | None, outcome: int, later_ms: int
) -> None:
    uid = player_who_crashes(low, high)
    game = await bet(casino, uid, 101, auto)
    target = round((auto or CAP / 100) * 100)
    point = crash_point(uid)
    end_ms = 0 if point == 100 else ms_until(min(target, point + 1))
    if end_ms:
        casino.clock.now_ms = NOON_MS + end_ms - 1
        assert await unchanged(casino, uid, game.game_id)
    casino.clock.now_ms = NOON_MS + end_ms + later_ms

    assert await settle(casino, uid, game.game_id)

    payout = 101 * target // 100 if outcome == 2 else 0
    player, crash = await casino.existing_player(uid), await record(casino, uid)
    assert (player.tokens, player.payout_max) == (1_000_000 - 101 + payout, 0)
    assert (crash.game, crash.bet, crash.settled_game.hex()) == (bytes(16), 0, game.game_id)
    assert (crash.settled_outcome, crash.settled_payout) == (outcome, payout)
    assert (crash.settled_m100, crash.settled_crash_m100) == (target if outcome == 2 else 0, point)
    assert await open_players(casino) == {}
    (event,) = await settlements(casino)
    assert (event.header.tier, event.header.uid, event.header.idempotency_key) == ("", uid, "")
    stored: Any = await casino.transport.call("MGET", keys.player(P, uid), keys.crash(P, uid))
    assert event.image(keys.player(P, uid)) == stored[0][: PLAYER.durable_size]
    assert event.image(keys.crash(P, uid)) == stored[1][: CRASH.durable_size]


@pytest.mark.parametrize("history", ["none", "settled", "another"])
async def test_given_no_such_open_round_when_it_is_to_be_settled_then_it_says_so(
    casino: World, history: str
) -> None:
    uid = player_who_crashes(100, 100)
    game_id = "0" * 31 + "1"
    if history != "none":
        game = await bet(casino, uid)
        if history == "settled":
            game_id = game.game_id
            await settle(casino, uid, game_id)

    error = await casino.refused(settle(casino, uid, game_id))

    assert error.code == "CRASH_NO_ACTIVE_BET"


async def test_given_a_clock_set_back_when_a_round_is_to_be_settled_then_no_time_has_passed(
    casino: World,
) -> None:
    uid = player_who_crashes(150, 400)
    game = await bet(casino, uid)
    casino.clock.now_ms -= 3_600_000

    assert await unchanged(casino, uid, game.game_id)


async def test_given_a_ban_an_exclusion_and_closed_games_when_a_round_is_over_then_it_is_settled(
    casino: World,
) -> None:
    uid = player_who_crashes(200, CAP)
    game = await bet(casino, uid, 100, 2.0)
    await casino.change_player(uid, flags=1, excluded_until_ms=2**53 - 1)
    await casino.push(economy(maintenance=True, crash={"enabled": False}))
    casino.clock.now_ms += 60_000

    assert await settle(casino, uid, game.game_id)
    assert (await casino.existing_player(uid)).tokens == 1_000_100


async def test_given_records_from_the_mirror_when_a_round_is_settled_then_the_seed_is_handed_over(
    casino: World,
) -> None:
    uid = player_who_crashes(200, CAP)
    game = await bet(casino, uid, 100, 2.0)
    for name, layout in ((keys.player(P, uid), PLAYER), (keys.crash(P, uid), CRASH)):
        stored: Any = await casino.transport.call("GET", name)
        await casino.transport.call("SET", name, stored[: layout.durable_size])
    assert not await settle(casino, uid, game.game_id)
    casino.clock.now_ms += 60_000

    assert await settle(casino, uid, game.game_id)
    assert (await record(casino, uid)).settled_crash_m100 == crash_point(uid)
    assert (await casino.existing_player(uid)).seeded == 1
    await casino.rotate(uid)  # the pads are those of the seed that was committed to


async def test_given_a_new_epoch_when_an_older_round_is_settled_then_it_has_the_crash_point_of_its_nonce(
    casino: World,
) -> None:
    uid = player_who_crashes(150, 199)
    game = await bet(casino, uid)
    await casino.shut()
    await casino.open(epoch=2)
    casino.clock.now_ms += 60_000

    assert await settle(casino, uid, game.game_id)
    assert (await record(casino, uid)).settled_crash_m100 == crash_point(uid)


async def open_session(world: World, uid: int) -> None:
    """Give the player an open session in the crash game."""
    session = SESSION.pack(Session(b"\7" * 16, NOON_MS, NOON_MS, 0, 3, 300, 30))
    await world.transport.call("SET", keys.session(P, uid, "crash"), session)
    await world.change_player(uid, sessions=CRASH_BIT)


@pytest.mark.parametrize("by", ["sweeper", "player"])
async def test_given_an_open_session_when_a_round_ends_then_it_is_counted_then_and_not_at_the_bet(
    casino: World, by: str
) -> None:
    uid = player_who_crashes(200, CAP)
    await casino.put_player(uid)
    await open_session(casino, uid)
    name = keys.session(P, uid, "crash")
    before: Any = await casino.transport.call("GET", name)
    game = await bet(casino, uid, 100, 2.0)
    assert await casino.transport.call("GET", name) == before
    casino.clock.now_ms += 60_000

    if by == "sweeper":
        await settle(casino, uid, game.game_id)
    else:
        await cash_out(casino, uid, game.game_id)

    stored: Any = await casino.transport.call("GET", name)
    session = SESSION.unpack(stored)
    assert (session.rounds, session.bet, session.win) == (4, 400, 230)
    assert session.last_at_ms == casino.clock.now_ms
    assert (await settlements(casino))[0].image(name) == stored


async def test_given_a_stale_fence_when_a_round_is_to_be_settled_then_not_one_byte_changes(
    casino: World,
) -> None:
    uid = player_who_crashes(100, 100)
    game = await bet(casino, uid)
    await casino.shut()

    assert (await casino.refused(settle(casino, uid, game.game_id))).code == "NOT_READY"
    assert (await casino.refused(cash_out(casino, uid, game.game_id))).code == "NOT_READY"
    assert (await casino.refused(bet(casino, uid + 1))).code == "NOT_READY"
