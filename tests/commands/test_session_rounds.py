"""What counts in a session: the rounds of its game, from its start to its end."""

from typing import Any

import pytest

from croupier.sessions.rules import IDLE_MS
from croupier_schemas import keys
from croupier_schemas.records import SESSION
from tests.commands.bets import play, spin
from tests.commands.conftest import OpenWorld
from tests.commands.economies import banner, economy
from tests.commands.sessions import end, session, start
from tests.commands.world import P, World


@pytest.fixture
async def world(open_world: OpenWorld) -> World:
    """A pull costs 10 tokens or 3 gems, ten 90 or 30."""
    price: dict[str, Any] = {"cost_tokens": {"one": 10, "ten": 90}, "cost_gems": {"one": 3, "ten": 30}}
    return await open_world(economy({"main": banner(**price)}, initial_tokens=10_000, initial_gems=100))


async def test_given_pulls_when_counted_then_a_ten_is_one_round_and_gems_are_no_bet(world: World) -> None:
    await start(world, 1)

    await world.pull(1)
    await world.pull(1, 10)
    await world.pull(1, 10, gems=True)

    counted = await session(world, 1)
    assert (counted.rounds, counted.bet, counted.win) == (3, 100, 0)


async def test_given_a_round_when_counted_then_its_event_has_the_session_as_redis_has_it(
    world: World,
) -> None:
    await start(world, 1)
    world.clock.now_ms += 1234
    await world.pull(1)

    (event,) = await world.events("gacha.pulled")
    image = event.image(keys.session(P, 1, "gacha"))
    assert image is not None and SESSION.unpack(image) == await session(world, 1)
    assert SESSION.unpack(image).last_at_ms == world.clock()


async def test_given_bets_when_counted_then_sums_are_what_balances_say(world: World) -> None:
    await world.pull(1)
    slot, rps = await start(world, 1, "slot"), await start(world, 1, "rps")

    spins = [await spin(world, 1, 100) for _ in range(20)]
    games = [await play(world, 1, bet) for bet in (0, 10, 10, 10, 10, 10)]

    spun = (await end(world, 1, slot.session_id)).result_data
    assert (spun.rounds, spun.total_bet) == (20, 2_000)
    assert spun.total_win == sum(reply.payout for reply in spins)
    played = (await end(world, 1, rps.session_id)).result_data
    assert (played.rounds, played.total_bet) == (6, 50)
    assert played.total_win == sum(reply.payout for reply in games)
    assert spun.net + played.net == (await world.existing_player(1)).tokens - 9_990


async def test_given_a_session_when_another_game_or_player_plays_then_nothing_counts(world: World) -> None:
    await start(world, 1, "slot")
    await start(world, 2)

    await world.pull(1)
    await play(world, 1, 10)
    await spin(world, 2, 100)

    assert (await session(world, 1, "slot")).rounds == 0
    assert (await session(world, 2)).rounds == 0
    for event in await world.events():
        if event.header.type in ("gacha.pulled", "slot.spun", "rps.played"):
            assert not any(":session:" in change.key for change in event.changes)


async def test_given_no_open_session_when_played_then_no_record_is_written(world: World) -> None:
    await world.pull(1)
    assert await world.transport.call("EXISTS", keys.session(P, 1, "gacha")) == 0
    opened = await start(world, 1)
    await end(world, 1, opened.session_id)
    before = await session(world, 1)

    await world.pull(1)

    assert await session(world, 1) == before


async def test_given_an_idle_session_when_played_then_the_round_is_in_none(world: World) -> None:
    opened = await start(world, 1)
    world.clock.now_ms += IDLE_MS - 1
    await world.pull(1)
    world.clock.now_ms += IDLE_MS
    await world.pull(1)

    assert (await end(world, 1, opened.session_id)).result_data.rounds == 1


async def test_given_a_refused_round_when_refused_then_the_session_stays_as_it_was(world: World) -> None:
    await start(world, 1)
    await world.change_player(1, tokens=9)

    error = await world.refused(world.pull(1))

    assert error.code == "INSUFFICIENT_BALANCE"
    assert (await session(world, 1)).rounds == 0
