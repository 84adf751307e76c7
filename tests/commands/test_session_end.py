"""`session.end`: sums a session up, once; whoever ends it again gets the same result."""

import asyncio
from typing import Any

import pytest

from croupier.sessions.rules import IDLE_MS
from croupier_schemas import keys
from croupier_schemas.records import FLAG_BANNED, PLAYER, SESSION
from croupier_schemas.session import SessionEndReply, SessionResult
from tests.commands.conftest import OpenWorld
from tests.commands.economies import banner, economy
from tests.commands.sessions import change_session, end, end_twice, index, session, start
from tests.commands.world import P, World, encoded

PRICED: dict[str, Any] = {"cost_tokens": {"one": 10, "ten": 100}}


async def test_given_a_session_with_rounds_when_ended_then_reply_event_records_and_index_say_so(
    open_world: OpenWorld,
) -> None:
    world = await open_world(economy({"main": banner(**PRICED)}))
    opened = await start(world, 1)
    world.clock.now_ms += 90_999
    await world.pull(1, 10)

    reply = await end(world, 1, opened.session_id)

    assert (reply.session_id, reply.game_type) == (opened.session_id, "gacha")
    assert reply.result_data == SessionResult(90, 1, 100, 0, -100, -1.0, "LOSE")
    (event,) = await world.events("session.ended")
    assert reply.receipt is not None and reply.receipt.event_id == str(event.id)
    image = event.image(keys.session(P, 1, "gacha"))
    assert image is not None and SESSION.unpack(image) == await session(world, 1)
    assert (await session(world, 1)).ended_at_ms == world.clock()
    player = event.image(keys.player(P, 1))
    assert player is not None and PLAYER.unpack(player).sessions == 0
    assert (await world.existing_player(1)).sessions == 0
    assert await index(world) == {}


@pytest.mark.parametrize(
    ("bet", "win", "net", "roi", "result"),
    [
        (0, 0, 0, 0.0, "DRAW"),
        (0, 5, 5, 0.0, "WIN"),
        (100, 100, 0, 0.0, "DRAW"),
        (100, 101, 1, 0.01, "WIN"),
        (100, 99, -1, -0.01, "LOSE"),
        (3, 4, 1, 0.3333, "WIN"),
        (3, 1, -2, -0.6667, "LOSE"),
        (100_000, 99_999, -1, -0.0, "LOSE"),
        (1, 2**52, 2**52 - 1, float(2**52 - 1), "WIN"),
        (2**52, 0, -(2**52), -1.0, "LOSE"),
    ],
)
async def test_given_sums_when_ended_then_net_roi_and_result_follow(
    world: World, bet: int, win: int, net: int, roi: float, result: str
) -> None:
    opened = await start(world, 1)
    await change_session(world, 1, rounds=4, bet=bet, win=win)

    data = (await end(world, 1, opened.session_id)).result_data

    assert (data.rounds, data.total_bet, data.total_win) == (4, bet, win)
    assert (data.net, data.roi, data.game_result) == (net, roi, result)


async def test_given_an_ended_session_when_ended_again_then_the_first_reply_comes_again(world: World) -> None:
    opened = await start(world, 1)
    first = await end(world, 1, opened.session_id)
    world.clock.now_ms += 10 * IDLE_MS
    await world.pull(1)
    second = await start(world, 1)

    again, replayed = await end_twice(world, 1, opened.session_id)

    assert encoded(again) == encoded(first) and replayed
    assert len(await world.events("session.ended")) == 1
    assert (await session(world, 1)).ended_at_ms == 0
    assert (await start(world, 1)).session_id == second.session_id


async def test_given_an_ended_session_whose_key_is_gone_when_ended_again_then_the_record_has_the_result(
    world: World,
) -> None:
    opened = await start(world, 1)
    first = await end(world, 1, opened.session_id)
    assert await world.transport.call("DEL", f"{{0}}:idem:1:session.end {opened.session_id}") == 1
    before = await world.dump()

    again = await end(world, 1, opened.session_id)

    assert again.result_data == first.result_data and again.receipt is None
    assert await world.dump() == before


async def test_given_an_ended_session_when_its_key_is_looked_at_then_it_does_not_expire(world: World) -> None:
    opened = await start(world, 1)
    await end(world, 1, opened.session_id)

    assert await world.administer("PTTL", f"{{0}}:idem:1:session.end {opened.session_id}") == -1


async def test_given_100_ends_at_once_when_all_are_done_then_the_replies_are_equal_to_the_byte(
    world: World,
) -> None:
    workers = [await world.another_engine() for _ in range(4)]
    opened = await start(world, 1)

    answers = await asyncio.gather(
        *(end_twice(world, 1, opened.session_id, engine=workers[i % 4]) for i in range(100))
    )

    assert len({encoded(reply) for reply, _ in answers}) == 1
    assert sorted(replayed for _, replayed in answers) == [False] + 99 * [True]
    assert len(await world.events("session.ended")) == 1


async def test_given_rounds_at_once_with_the_end_when_all_are_done_then_it_counts_those_before_it(
    open_world: OpenWorld,
) -> None:
    world = await open_world(economy({"main": banner(**PRICED)}))
    workers = [await world.another_engine() for _ in range(4)]
    opened = await start(world, 1)
    for worker in workers:
        await worker.views.believed(P)
    pulls = [world.pull(1, engine=workers[i % 4]) for i in range(60)]

    answers = await asyncio.gather(*pulls[:30], end(world, 1, opened.session_id), *pulls[30:])

    (reply,) = (answer for answer in answers if isinstance(answer, SessionEndReply))

    (ended,) = await world.events("session.ended")
    before = [event for event in await world.events("gacha.pulled") if event.id < ended.id]
    assert reply.result_data.rounds == len(before)
    assert reply.result_data.total_bet == 10 * len(before)
    assert len(await world.events("gacha.pulled")) == 60
    for event in await world.events("gacha.pulled"):
        counted = event.image(keys.session(P, 1, "gacha")) is not None
        assert counted == (event.id < ended.id)


UNKNOWN = [
    "",
    "x",
    "gacha",
    "gacha-",
    "gacha-" + 31 * "0",
    "gacha-" + 32 * "0",
    "poker-" + 32 * "0",
    "gacha-\n",
    "gacha\n{0}:head",
]


@pytest.mark.parametrize("session_id", UNKNOWN)
async def test_given_an_id_of_no_session_when_ended_then_there_is_none(world: World, session_id: str) -> None:
    await start(world, 1)

    assert (await world.refused(end(world, 1, session_id))).code == "SESSION_NOT_FOUND"
    assert (await world.refused(end(world, 2, session_id))).code == "SESSION_NOT_FOUND"


async def test_given_a_session_when_its_id_is_changed_or_somebody_elses_then_there_is_none(
    world: World,
) -> None:
    opened = (await start(world, 1)).session_id
    await start(world, 2)

    for uid, session_id in (
        (2, opened),
        (3, opened),
        (1, opened.upper()),
        (1, opened.replace("gacha", "slot")),
        (1, opened + "\n"),
        (1, " " + opened),
    ):
        assert (await world.refused(end(world, uid, session_id))).code == "SESSION_NOT_FOUND"


async def test_given_a_session_that_is_idle_when_ended_then_it_was_over_with_its_last_round(
    world: World,
) -> None:
    opened = await start(world, 1)
    world.clock.now_ms += 30_000
    await world.pull(1)
    world.clock.now_ms += IDLE_MS

    reply = await end(world, 1, opened.session_id)

    assert (reply.result_data.duration, reply.result_data.rounds) == (30, 1)


async def test_given_a_session_played_within_the_hour_when_ended_then_it_lasted_up_to_now(
    world: World,
) -> None:
    opened = await start(world, 1)
    world.clock.now_ms += IDLE_MS - 1

    assert (await end(world, 1, opened.session_id)).result_data.duration == 3_599


async def test_given_a_clock_that_went_back_when_ended_then_the_duration_is_not_negative(
    world: World,
) -> None:
    opened = await start(world, 1)
    world.clock.now_ms -= 5_000

    assert (await end(world, 1, opened.session_id)).result_data.duration == 0


@pytest.mark.parametrize("settings", [{"maintenance": True}, {"gacha": {"enabled": False}}])
async def test_given_games_that_are_closed_when_ended_then_it_ends_all_the_same(
    world: World, settings: Any
) -> None:
    opened = await start(world, 1)
    await world.push(economy(**settings))

    assert (await end(world, 1, opened.session_id)).receipt is not None


async def test_given_a_banned_player_when_it_ends_then_it_is_refused_but_an_excluded_one_may(
    world: World,
) -> None:
    opened = await start(world, 1)
    await world.change_player(1, flags=FLAG_BANNED)
    assert (await world.refused(end(world, 1, opened.session_id))).code == "PLAYER_BANNED"

    await world.change_player(1, flags=0, excluded_until_ms=world.clock() + 1)
    assert (await end(world, 1, opened.session_id)).receipt is not None


async def test_given_a_player_from_the_mirror_when_ended_then_only_durable_fields_are_written(
    world: World,
) -> None:
    opened = await start(world, 1)
    name = keys.player(P, 1)
    record: Any = await world.transport.call("GET", name)
    await world.transport.call("SET", name, record[: PLAYER.durable_size])

    await end(world, 1, opened.session_id)

    assert (await world.existing_player(1)).sessions == 0
    assert await world.administer("STRLEN", name) == PLAYER.durable_size
