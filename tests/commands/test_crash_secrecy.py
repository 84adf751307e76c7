"""While a round is open, nothing that anybody can see holds its crash point, or depends on it."""

import contextlib
import struct
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from msgspec.structs import replace

from croupier.crash.current import CURRENT
from croupier.crash.sweep import OpenBets
from croupier.fairness.queries import FAIRNESS
from croupier_schemas import keys
from croupier_schemas.events import Event
from croupier_schemas.records import PLAYER
from tests.commands.conftest import OpenWorld
from tests.commands.crash_rounds import (
    CAP,
    bet,
    cash_out,
    crash_economy,
    crash_point,
    ms_until,
    player_who_crashes,
    record,
    settle,
    settlements,
)
from tests.commands.known_rolls import rolls_of
from tests.commands.test_no_live_seed import everything_but_volatile, traces
from tests.commands.world import MASTER_KEY, NOON_MS, P, World, at, caller, encoded
from tests.model import fairness

OP_ID = at("2100-01-01T00:00:00Z").to_bytes(6, "big") + bytes(range(10))


@pytest.fixture
async def casino(open_world: OpenWorld) -> World:
    return await open_world(crash_economy())


def forms_of(value: int) -> Iterator[bytes]:
    """An integer as text and as binary, in the ways in which programs write integers."""
    yield f"{value}".encode()
    yield from (f"{value:x}".encode(), f"{value:X}".encode())
    for width in ("H", "I", "Q", "d", "f"):
        for order in "><":
            with contextlib.suppress(struct.error):
                yield struct.pack(order + width, value)


def traces_of_round(uid: int, nonce: int = 1) -> set[bytes]:
    """Forms in which a round's crash point could show: itself, its roll and block, and the time at which it ends."""
    point, u = crash_point(uid, nonce), rolls_of(uid, nonce, 1)[0]
    seed = fairness.server_seed(MASTER_KEY, uid, 1)
    block = fairness.block(seed, str(uid), nonce, 0)
    end_ms = ms_until(point + 1)
    found = {
        block.encode(),
        bytes.fromhex(block),
        block[:13].encode(),
        repr(u).encode(),
        repr(1 - u).encode(),
    }
    found |= {
        struct.pack(order + "d", number) for order in "><" for number in (u, 1 - u, 99 / (1 - u), point / 100)
    }
    found |= {f"{point / 100:.2f}".encode(), f"{point / 100}".encode()}
    for number in (point, point + 1, int(block[:13], 16), NOON_MS + end_ms, NOON_MS + end_ms - 1, end_ms):
        found |= set(forms_of(number))
    # What is so short stands anywhere by chance.
    return {form for form in found if len(form.strip(b"\0")) > 4} | set(traces(seed))


async def told_while_open(world: World, uid: int) -> list[bytes]:
    """Every answer that a player with an open round can get."""
    said = [encoded(await world.ask(query, caller(uid))) for query in (CURRENT, FAIRNESS)]
    for attempt in (bet(world, uid), world.rotate(uid), cash_out(world, uid, "0" * 32)):
        error = await world.refused(attempt)
        said.append(repr((error.code, error.message, error.fields)).encode())
    return said


async def test_given_open_rounds_when_all_that_they_left_is_searched_then_no_crash_point_is_there(
    casino: World, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    uids = []
    uid = 0
    for low in (20_000, 30_000, 40_000):  # large, so that they stand nowhere by chance
        uid = player_who_crashes(low, low + 9_999, after=uid)
        uids.append(uid)
    said: list[bytes] = []
    sweep = OpenBets(casino.engine, P)
    with structlog.testing.capture_logs() as logs:
        for each in uids:
            reply = await bet(casino, each, 100, None, key="order-1")
            said += [encoded(reply), encoded(await bet(casino, each, 100, None, key="order-1"))]
            assert not await settle(casino, each, reply.game_id)
            said += await told_while_open(casino, each)
        await sweep.tick(NOON_MS)
        await sweep.tick(NOON_MS + 1)

    index: Any = await casino.administer("ZRANGE", keys.crash_open(P), 0, -1, "WITHSCORES")
    assert len(index) == 2 * len(uids)
    await casino.transport.call("DEL", keys.crash_open(P))  # looked at by itself
    places = {
        "replies": said,
        "Redis": await everything_but_volatile(casino),
        "the index": index,
        "logs": [repr(logs).encode(), caplog.text.encode(), "".join(capfd.readouterr()).encode()],
        "the sweeper's repr": [f"{sweep!r} {sweep}".encode()],
    }
    for where, parts in places.items():
        everything = b"\n".join(parts)
        for each in uids:
            for trace in traces_of_round(each):
                assert trace not in everything, f"a crash point in {where}: {trace!r}"

    # The search can find: once it has crashed, the crash point is told.
    casino.clock.now_ms += 600_000
    game = (await record(casino, uids[0])).game.hex()
    end = encoded(await cash_out(casino, uids[0], game)) + b"".join(await everything_but_volatile(casino))
    assert any(trace in end for trace in traces_of_round(uids[0]))


async def bet_event(world: World, uid: int, op_id: bytes) -> tuple[bytes, Event, dict[bytes, bytes]]:
    """A bet's reply, its event, and what Redis holds of the player, in a world of its own."""
    reply = await bet(world, uid, 100, None, op_id=op_id)
    (event,) = await world.events("crash.bet_placed")
    names = (keys.player(P, uid), keys.crash(P, uid))
    stored: Any = await world.transport.call("MGET", *names)
    return encoded(reply), event, dict(zip(map(str.encode, names), stored, strict=True))


async def test_given_two_players_whose_crash_points_differ_when_they_bet_then_only_their_seeds_tell_them_apart(
    redis_url: str, casino: World
) -> None:
    """At the same time, with the same operation id, in worlds that are alike."""
    low, high = player_who_crashes(100, 100, after=100), player_who_crashes(50_000, CAP, after=100)
    assert len(str(low)) == len(str(high))
    first = await bet_event(casino, low, OP_ID)
    await casino.administer("FLUSHALL")
    again = await World.of(redis_url, crash_economy())
    try:
        second = await bet_event(again, high, OP_ID)
    finally:
        await again.close()

    def without_player(data: bytes, uid: int) -> bytes:
        """With what must differ taken out: the player's id, and the commitment to the player's seed."""
        commitment = fairness.commitment(fairness.server_seed(MASTER_KEY, uid, 1))
        for mine in (commitment.encode(), bytes.fromhex(commitment), str(uid).encode()):
            data = data.replace(mine, b"?" * len(mine))
        return data

    assert without_player(first[0], low) == without_player(second[0], high)
    for index in (0, 1):
        one, other = first[1].changes[index].value or b"", second[1].changes[index].value or b""
        assert without_player(one, low) == without_player(other, high)
    assert replace(first[1].header, uid=0, records=()) == replace(second[1].header, uid=0, records=())
    assert (first[1].ts_ms, first[1].result) == (second[1].ts_ms, second[1].result)
    pads = PLAYER.size - 128
    for (_, one), (_, other) in zip(first[2].items(), second[2].items(), strict=True):
        # In Redis the pads of the seed differ too, which are volatile, and hold nothing of the round.
        one, other = (
            data[:pads] + data[PLAYER.size :] if len(data) > PLAYER.size else data for data in (one, other)
        )
        assert without_player(one, low) == without_player(other, high)


async def test_given_the_scripts_when_a_bet_is_placed_then_its_script_rolls_nothing(casino: World) -> None:
    source = casino.engine.scripts["crash.bet"].source

    assert b"sha1hex" not in source and b"math.exp" not in source
    assert b"sha1hex" in casino.engine.scripts["crash.settle"].source


async def test_given_a_running_round_when_it_is_to_be_settled_then_the_answer_does_not_depend_on_its_crash_point(
    casino: World,
) -> None:
    answers = []
    for uid in (player_who_crashes(300, 400), player_who_crashes(50_000, CAP)):
        game = await bet(casino, uid)
        casino.clock.now_ms = game.started_at_ms + ms_until(200)
        answers.append(await settle(casino, uid, game.game_id))
        casino.clock.now_ms = NOON_MS

    assert answers == [False, False] and await settlements(casino) == []
