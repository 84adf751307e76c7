"""Sessions that nobody plays any more: the system ends them, and only them."""

import asyncio
from typing import Any

import pytest

from croupier.command import SYSTEM_ROLE, Caller
from croupier.op_id import OpIds
from croupier.sessions import sweep
from croupier.sessions.end import END
from croupier.sessions.recorded import SessionName
from croupier.sessions.rules import IDLE_MS
from croupier.sessions.sweep import IdleSessions
from croupier_schemas import keys
from croupier_schemas.records import FLAG_BANNED
from croupier_schemas.session import SessionEnd
from tests.commands.economies import economy
from tests.commands.sessions import end_twice, index, raw_id, session, start
from tests.commands.world import P, World, encoded


def _idle_sessions(world: World) -> IdleSessions:
    return IdleSessions(world.engine, P)


async def test_given_an_idle_session_when_its_hour_is_over_then_it_is_ended_up_to_its_last_round(
    world: World,
) -> None:
    opened = await start(world, 1)
    world.clock.now_ms += 45_000
    await world.pull(1)
    last_ms = world.clock()
    world.clock.now_ms += IDLE_MS

    assert await _idle_sessions(world).tick(world.clock()) == 1

    (event,) = await world.events("session.ended")
    assert (event.header.uid, event.header.tier) == (1, "")
    assert (await session(world, 1)).ended_at_ms == last_ms
    assert (await world.existing_player(1)).sessions == 0
    assert await index(world) == {}
    assert await _idle_sessions(world).tick(world.clock()) == 0
    reply, replayed = await end_twice(world, 1, opened.session_id)
    assert replayed and (reply.result_data.duration, reply.result_data.rounds) == (45, 1)


async def test_given_a_session_when_its_hour_is_not_over_then_it_is_left_alone(world: World) -> None:
    await start(world, 1)
    world.clock.now_ms += IDLE_MS - 1
    before = await world.dump()

    assert await _idle_sessions(world).tick(world.clock()) == 0
    assert await world.dump() == before


async def test_given_a_session_that_was_played_when_looked_at_then_it_is_looked_at_again_later(
    world: World,
) -> None:
    opened = await start(world, 1)
    world.clock.now_ms += IDLE_MS - 1
    await world.pull(1)
    last_ms = world.clock()
    world.clock.now_ms += 1

    assert await _idle_sessions(world).tick(world.clock()) == 1

    assert await world.events("session.ended") == []
    assert await index(world) == {"1:gacha": last_ms + IDLE_MS}
    assert (await start(world, 1)).session_id == opened.session_id
    world.clock.now_ms = last_ms + IDLE_MS
    await _idle_sessions(world).tick(world.clock())
    assert len(await world.events("session.ended")) == 1


async def test_given_a_session_played_after_it_was_looked_at_when_the_system_ends_it_then_it_stays_open(
    world: World,
) -> None:
    opened = await start(world, 1)
    world.clock.now_ms += IDLE_MS - 1
    before = await world.dump()

    system = Caller(1, "", SYSTEM_ROLE, OpIds(world.clock).new())
    outcome = await world.engine.execute(END, system, SessionEnd(opened.session_id))

    assert outcome.reply.receipt is None
    assert await world.dump() == before
    first, replayed = await end_twice(world, 1, opened.session_id)
    assert first.receipt is not None and not replayed


@pytest.mark.parametrize("sweepers", [1, 3])
async def test_given_idle_sessions_of_many_when_swept_then_each_ends_once(
    world: World, sweepers: int
) -> None:
    for uid in range(1, 21):
        await start(world, uid)
    world.clock.now_ms += IDLE_MS
    engines = [await world.another_engine() for _ in range(sweepers)]

    await asyncio.gather(*(IdleSessions(engine, P).tick(world.clock()) for engine in engines))

    ended = await world.events("session.ended")
    assert sorted(event.header.uid for event in ended) == list(range(1, 21))
    assert await index(world) == {}


async def test_given_the_player_and_the_system_at_once_when_both_end_it_then_the_result_is_one(
    world: World,
) -> None:
    opened = await start(world, 1)
    world.clock.now_ms += IDLE_MS

    (one, _), _, (other, _) = await asyncio.gather(
        end_twice(world, 1, opened.session_id),
        _idle_sessions(world).tick(world.clock()),
        end_twice(world, 1, opened.session_id, engine=await world.another_engine()),
    )

    assert encoded(one) == encoded(other)
    assert len(await world.events("session.ended")) == 1


async def test_given_another_session_begun_meanwhile_when_the_system_ends_the_first_then_nothing_happens(
    world: World,
) -> None:
    first = await start(world, 1)
    world.clock.now_ms += IDLE_MS
    idle = _idle_sessions(world)
    await start(world, 1)

    await idle._end(1, SessionName("gacha", raw_id(first.session_id)), world.clock())

    assert len(await world.events("session.ended")) == 1  # the start has ended it
    assert (await world.existing_player(1)).sessions == 1
    assert await index(world) == {"1:gacha": world.clock() + IDLE_MS}


async def test_given_a_banned_player_and_maintenance_when_idle_then_the_session_ends_all_the_same(
    world: World,
) -> None:
    await start(world, 1)
    await world.change_player(1, flags=FLAG_BANNED)
    await world.push(economy(maintenance=True))
    world.clock.now_ms += IDLE_MS

    await _idle_sessions(world).tick(world.clock())

    assert len(await world.events("session.ended")) == 1


async def test_given_an_index_that_names_no_open_session_when_swept_then_it_does_not_stand_in_the_way(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "BATCH_MAX", 2)
    stale = ("8:gacha", "9:slot")
    for name in stale:
        await world.transport.call("ZADD", keys.session_open(P), 1, name)
    await start(world, 1)
    world.clock.now_ms += IDLE_MS
    idle = _idle_sessions(world)

    assert [await idle.tick(world.clock()) for _ in range(3)] == [2, 1, 0]

    assert len(await world.events("session.ended")) == 1
    assert await index(world) == dict.fromkeys(stale, world.clock() + IDLE_MS)


async def test_given_a_session_that_cannot_be_ended_when_swept_then_the_others_are_and_it_is_tried_again(
    world: World,
) -> None:
    await start(world, 1)
    await start(world, 2)
    world.clock.now_ms += IDLE_MS
    name = keys.player(P, 1)
    record: Any = await world.transport.call("GET", name)
    await world.transport.call("SET", name, b"x" + record[1:])
    idle = _idle_sessions(world)

    await idle.tick(world.clock())

    assert [event.header.uid for event in await world.events("session.ended")] == [2]
    assert await index(world) == {"1:gacha": world.clock() + sweep.RETRY_MS}
    await world.transport.call("SET", name, record)
    await idle.tick(world.clock() + sweep.RETRY_MS)
    assert [event.header.uid for event in await world.events("session.ended")] == [2, 1]
