"""`session.start`: one open session per player and game, whoever asks and however often."""

import asyncio
from typing import Any

import msgspec
import pytest

from croupier.clock import utc
from croupier.errors import CroupierError
from croupier.sessions.rules import IDLE_MS
from croupier.sessions.start import START
from croupier_schemas import keys
from croupier_schemas.economy import GAMES, Game
from croupier_schemas.records import FLAG_BANNED, PLAYER, SESSION, Session
from croupier_schemas.session import SessionStart
from tests.commands.conftest import OpenWorld
from tests.commands.economies import economy
from tests.commands.sessions import BITS, change_session, end, index, raw_id, session, start
from tests.commands.world import P, World, caller, encoded


async def test_given_a_new_player_when_a_session_is_started_then_event_records_and_index_say_so(
    open_world: OpenWorld,
) -> None:
    world = await open_world(economy(initial_tokens=500, initial_gems=3))
    asked, now_ms = caller(7), world.clock()

    reply = (await world.engine.execute(START, asked, SessionStart("crash"))).reply

    assert reply.session_id == f"crash-{asked.op_id.hex()}"
    assert (reply.game_type, reply.started_at) == ("crash", utc(now_ms))
    (event,) = await world.events("session.started")
    assert reply.receipt is not None and reply.receipt.event_id == str(event.id)
    assert event.created and event.result == b""
    assert msgspec.msgpack.decode(event.header.terms) == ["crash"]
    player, opened = event.image(keys.player(P, 7)), event.image(keys.session(P, 7, "crash"))
    assert player is not None and opened is not None
    assert (PLAYER.unpack(player).tokens, PLAYER.unpack(player).sessions) == (500, 2)
    assert SESSION.unpack(opened) == Session(asked.op_id, now_ms, now_ms, 0, 0, 0, 0)
    assert await session(world, 7, "crash") == SESSION.unpack(opened)
    assert await world.existing_player(7) == replace_seed(await world.existing_player(7), player)
    assert await index(world) == {"7:crash": now_ms + IDLE_MS}


def replace_seed(player: Any, image: bytes) -> Any:
    """The image with the volatile fields of the record."""
    durable = PLAYER.unpack(image)
    volatile = [name for name, field in PLAYER.fields.items() if not field.durable]
    return msgspec.structs.replace(durable, **{name: getattr(player, name) for name in volatile})


async def test_given_an_open_session_when_started_again_then_it_is_returned_and_nothing_changes(
    world: World,
) -> None:
    first = await start(world, 1)
    world.clock.now_ms += IDLE_MS - 1
    before = await world.dump()

    again = await start(world, 1)

    assert again == msgspec.structs.replace(first, receipt=None)
    assert await world.dump() == before


async def test_given_100_starts_at_once_when_all_are_done_then_there_is_one_session(world: World) -> None:
    workers = [await world.another_engine() for _ in range(4)]

    replies = await asyncio.gather(*(start(world, 1, engine=workers[i % 4]) for i in range(100)))

    assert len({reply.session_id for reply in replies}) == 1
    assert sum(reply.receipt is not None for reply in replies) == 1
    assert len(await world.events("session.started")) == 1


async def test_given_sessions_of_all_games_when_some_end_then_the_others_stay_open(world: World) -> None:
    opened: dict[Game, str] = {game: (await start(world, 1, game)).session_id for game in GAMES}
    assert (await world.existing_player(1)).sessions == sum(BITS.values())

    await end(world, 1, opened["crash"])
    await end(world, 1, opened["rps"])

    assert (await world.existing_player(1)).sessions == BITS["gacha"] + BITS["slot"]
    assert set(await index(world)) == {"1:gacha", "1:slot"}
    assert (await start(world, 1, "slot")).session_id == opened["slot"]
    assert (await start(world, 1, "rps")).session_id != opened["rps"]
    assert (await start(world, 2, "slot")).session_id != opened["slot"]


async def test_given_a_session_that_has_become_idle_when_started_then_that_is_ended_first_and_another_begins(
    world: World,
) -> None:
    first = await start(world, 1)
    started_ms = world.clock()
    world.clock.now_ms += 60_000
    await world.pull(1)
    played = await session(world, 1)
    world.clock.now_ms += IDLE_MS

    second = await start(world, 1)

    assert second.session_id != first.session_id and second.receipt is not None
    assert (await session(world, 1)).rounds == 0
    assert await index(world) == {"1:gacha": world.clock() + IDLE_MS}
    (event,) = await world.events("session.ended")
    ended = SESSION.unpack(event.image(keys.session(P, 1, "gacha")) or b"")
    assert ended == msgspec.structs.replace(played, ended_at_ms=started_ms + 60_000)
    assert ended.id == raw_id(first.session_id)
    assert (await end(world, 1, first.session_id)).result_data.rounds == 1


async def test_given_a_key_when_the_start_is_repeated_then_the_first_reply_comes_again(world: World) -> None:
    first = await start(world, 1, key="s-1")
    await end(world, 1, first.session_id)

    again = await start(world, 1, key="s-1")

    assert encoded(again) == encoded(first)
    assert len(await world.events("session.started")) == 1


@pytest.mark.parametrize(
    ("settings", "code"),
    [({"maintenance": True}, "MAINTENANCE"), ({"slot": {"enabled": False}}, "GAME_DISABLED")],
)
async def test_given_a_game_that_is_closed_when_started_then_it_is_refused(
    open_world: OpenWorld, settings: Any, code: str
) -> None:
    world = await open_world(economy(**settings))

    error = await world.refused(start(world, 1, "slot"))

    assert (error.code, error.retry_after_s) == (code, 60)


@pytest.mark.parametrize("opened", [False, True])
@pytest.mark.parametrize("code", ["PLAYER_BANNED", "PLAYER_EXCLUDED"])
async def test_given_a_player_who_may_not_play_when_started_then_it_is_refused(
    world: World, code: str, opened: bool
) -> None:
    if opened:
        await start(world, 1)
    else:
        await world.pull(1)
    until_ms = world.clock() + 1
    await world.change_player(
        1, **({"flags": FLAG_BANNED} if code == "PLAYER_BANNED" else {"excluded_until_ms": until_ms})
    )

    assert (await world.refused(start(world, 1))).code == code


async def test_given_an_open_session_when_an_engine_with_a_stale_economy_is_asked_then_the_new_one_counts(
    world: World,
) -> None:
    stale = await world.another_engine()
    await start(world, 1, engine=stale)
    await world.push(economy(gacha={"enabled": False}))

    error = await world.refused(start(world, 1, engine=stale))

    assert error.code == "GAME_DISABLED"


async def test_given_a_rate_limit_when_sessions_are_started_then_only_those_that_began_count(
    open_world: OpenWorld,
) -> None:
    two = {"per_second": 2, "per_minute": 2}
    limits = {"mode": "enforce", "games": dict.fromkeys(("STANDARD", "PREMIUM", "VIP"), two)}
    world = await open_world(economy(rate_limit=limits))
    await start(world, 1, "gacha")
    for _ in range(5):
        await start(world, 1, "gacha")
    await start(world, 1, "slot")

    error = await world.refused(start(world, 1, "rps"))

    assert error.code == "RATE_LIMITED"


async def test_given_a_player_from_the_mirror_when_started_then_the_seed_is_brought_again(
    world: World,
) -> None:
    await world.put_player(1, tokens=77)

    assert (await start(world, 1)).receipt is not None

    player = await world.existing_player(1)
    assert (player.tokens, player.sessions, player.seeded) == (77, 1, 1)
    (event,) = await world.events("session.started")
    assert not event.created


async def test_given_a_clock_that_went_back_when_started_again_then_the_open_session_is_returned(
    world: World,
) -> None:
    first = await start(world, 1)
    await change_session(world, 1, last_at_ms=world.clock() + 10 * IDLE_MS)

    assert (await start(world, 1)).session_id == first.session_id


async def test_given_a_game_that_is_none_when_decoded_then_it_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"game_type": "poker"}', type=SessionStart)
    assert CroupierError("SESSION_NOT_FOUND").kind.status == 404
