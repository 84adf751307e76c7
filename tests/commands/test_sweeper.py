"""The sweeper: every round that is over is settled, once, soon, and whatever goes wrong meanwhile."""

import asyncio
from typing import Any

import pytest
import structlog

from croupier import sweeper as sweeping
from croupier.crash.sweep import OpenBets
from croupier.engine import Engine
from croupier.errors import CroupierError
from croupier.settings import Settings
from croupier.sweeper import Sweeper, keep_sweeping
from croupier_schemas import keys
from croupier_schemas.records import CRASH, PLAYER
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
    settlements,
)
from tests.commands.world import NOON_MS, SETTINGS, P, World

DEADLINE_S = 20.0


@pytest.fixture
async def casino(open_world: OpenWorld) -> World:
    return await open_world(crash_economy())


async def until(condition: Any, what: str) -> None:
    """Return as soon as the condition holds; fail the test after `DEADLINE_S`."""
    try:
        async with asyncio.timeout(DEADLINE_S):
            while not await condition():
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise AssertionError(f"waited in vain for: {what}") from None


def ends_ms(uid: int, target: int = CAP, nonce: int = 1) -> int:
    """When a round that began at noon is over, by the model."""
    point = crash_point(uid, nonce)
    return NOON_MS + (0 if point == 100 else ms_until(min(target, point + 1)))


async def sweep_at(world: World, sweep: OpenBets, now_ms: int) -> list[int]:
    """One tick at that time; the players whose rounds it settled."""
    before = len(await settlements(world))
    world.clock.now_ms = now_ms
    await sweep.tick(now_ms)
    return sorted(event.header.uid for event in (await settlements(world))[before:])


async def test_given_open_rounds_when_time_goes_by_then_each_is_settled_at_its_end_and_not_before(
    casino: World,
) -> None:
    sweep = OpenBets(casino.engine, P)
    for uid in range(1, 41):
        await bet(casino, uid, 100, 3.0)
    ends: dict[int, list[int]] = {}
    for uid in range(1, 41):
        ends.setdefault(ends_ms(uid, 300), []).append(uid)

    for end_ms, uids in sorted(ends.items()):
        if end_ms > NOON_MS:
            assert await sweep_at(casino, sweep, end_ms - 1) == []
        assert await sweep_at(casino, sweep, end_ms) == sorted(uids)

    assert await open_players(casino) == {} and len(await settlements(casino)) == 40
    assert sweep._rounds == {}


async def test_given_a_sweeper_an_hour_late_when_it_begins_then_all_is_settled_as_it_ended(
    casino: World,
) -> None:
    for uid in range(1, 601):
        await bet(casino, uid, 100, 2.0)

    settled = await sweep_at(casino, OpenBets(casino.engine, P), NOON_MS + 3_600_000)

    assert settled == list(range(1, 601))
    for uid in range(1, 601):
        crash = await record(casino, uid)
        assert crash.settled_payout == (200 if crash_point(uid) >= 200 else 0)


async def test_given_a_round_cashed_out_meanwhile_when_its_end_comes_then_nothing_is_left_to_do(
    casino: World,
) -> None:
    uid = player_who_crashes(200, 400)
    sweep = OpenBets(casino.engine, P)
    game = await bet(casino, uid)
    assert await sweep_at(casino, sweep, NOON_MS) == []
    await cash_out(casino, uid, game.game_id)

    assert await sweep_at(casino, sweep, ends_ms(uid)) == []
    assert sweep._rounds == {}


async def test_given_another_round_begun_in_the_same_ms_when_it_ends_then_it_is_the_one_settled(
    casino: World,
) -> None:
    uid = next(
        uid for uid in range(1, 10_000) if crash_point(uid, 1) > 500 and 200 < crash_point(uid, 2) < 300
    )
    sweep = OpenBets(casino.engine, P)
    first = await bet(casino, uid, 100, 5.0)
    await sweep_at(casino, sweep, NOON_MS)
    await cash_out(casino, uid, first.game_id)
    second = await bet(casino, uid)

    end_ms = ends_ms(uid, nonce=2)
    assert end_ms < ends_ms(uid, 500)
    # It is known by its time as the first one; that it is another is seen when the first would end, at the latest.
    assert await sweep_at(casino, sweep, ends_ms(uid, 500)) == [uid]
    assert (await record(casino, uid)).settled_game.hex() == second.game_id


async def test_given_a_clock_set_back_when_a_bet_is_placed_then_the_next_tick_notices_it(
    casino: World,
) -> None:
    sweep, uid = OpenBets(casino.engine, P), player_who_crashes(100, 100)
    await sweep_at(casino, sweep, NOON_MS + 7_200_000)
    casino.clock.now_ms = NOON_MS
    await bet(casino, uid)

    assert await sweep_at(casino, sweep, NOON_MS + 50) == [uid]


async def test_given_a_bet_with_a_time_long_ago_when_many_ticks_have_passed_then_it_is_found_all_the_same(
    casino: World,
) -> None:
    """The clock that stamped it was set back and forth between two looks."""
    sweep, uid = OpenBets(casino.engine, P), player_who_crashes(150, 200)
    await sweep_at(casino, sweep, NOON_MS + 86_400_000)
    casino.clock.now_ms = NOON_MS
    await bet(casino, uid)

    for _ in range(100):
        if await sweep_at(casino, sweep, NOON_MS + 86_400_000):
            break

    assert (await record(casino, uid)).settled_outcome


async def test_given_our_clock_ahead_of_the_servers_when_a_round_is_not_over_then_it_is_settled_later(
    casino: World,
) -> None:
    sweep, uid = OpenBets(casino.engine, P), player_who_crashes(150, 200)
    await bet(casino, uid)
    casino.clock.now_ms = ends_ms(uid) - 1
    await sweep.tick(ends_ms(uid))
    assert await settlements(casino) == []

    assert await sweep_at(casino, sweep, ends_ms(uid)) == [uid]


async def test_given_records_from_the_mirror_when_their_rounds_are_over_then_they_are_settled(
    casino: World,
) -> None:
    uid = player_who_crashes(150, 200)
    await bet(casino, uid)
    for name, layout in ((keys.player(P, uid), PLAYER), (keys.crash(P, uid), CRASH)):
        stored: Any = await casino.transport.call("GET", name)
        await casino.transport.call("SET", name, stored[: layout.durable_size])

    assert await sweep_at(casino, OpenBets(casino.engine, P), ends_ms(uid)) == [uid]


async def test_given_one_damaged_record_when_rounds_are_over_then_the_others_are_settled(
    casino: World,
) -> None:
    low, high = player_who_crashes(150, 160), player_who_crashes(170, 180)
    await bet(casino, low)
    await bet(casino, high)
    await casino.transport.call("SET", keys.crash(P, low), b"garbage" * 40)

    with structlog.testing.capture_logs() as logs:
        assert await sweep_at(casino, OpenBets(casino.engine, P), ends_ms(high)) == [high]
    assert [line["event"] for line in logs] == ["cannot read an open bet"]


async def test_given_a_round_that_cannot_be_settled_when_ticks_go_by_then_it_is_tried_ever_more_seldom(
    casino: World,
) -> None:
    uid = player_who_crashes(100, 100)
    await bet(casino, uid)
    await casino.change_player(uid, seeded=0, commitment=b"\7" * 32)
    sweep = OpenBets(casino.engine, P)

    with structlog.testing.capture_logs() as logs:
        for _ in range(200):
            assert await sweep_at(casino, sweep, NOON_MS) == []

    tries = [line for line in logs if line["event"] == "a round could not be settled"]
    assert 5 <= len(tries) <= 10


async def test_given_a_missing_master_key_when_a_round_reaches_its_target_then_the_script_is_asked(
    casino: World,
) -> None:
    uid = player_who_crashes(300, CAP)
    await bet(casino, uid, 100, 2.0)
    await casino.administer("SCRIPT", "FLUSH")
    stranger = await casino.another_engine(Settings(master_keys="2:" + "0" * 64))

    assert await sweep_at(casino, OpenBets(stranger, P), ends_ms(uid, 200)) == [uid]


async def test_given_an_index_of_players_without_an_open_bet_when_swept_then_they_are_left_alone(
    casino: World,
) -> None:
    uid = player_who_crashes(200, CAP)
    await cash_out(casino, uid, (await bet(casino, uid)).game_id)
    await casino.transport.call("ZADD", keys.crash_open(P), NOON_MS, uid, NOON_MS, 987_654)

    assert await sweep_at(casino, OpenBets(casino.engine, P), NOON_MS + 3_600_000) == []


# Whose turn it is.


@pytest.fixture
async def real(open_world: OpenWorld) -> World:
    """A casino that lives by the server's own clock, and whose rounds last some milliseconds."""
    world = await open_world(crash_economy(growth_ppm=1_000_000, max_multiplier=2))
    world.engine = await world.another_engine(clock_ms="real")
    return world


async def holder(world: World) -> Any:
    return await world.transport.call("GET", keys.sweeper(P))


async def test_given_several_sweepers_when_they_run_then_one_has_the_lease_and_the_others_do_nothing(
    casino: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks: list[OpenBets] = []

    async def counted(self: OpenBets, now_ms: int) -> None:
        ticks.append(self)

    monkeypatch.setattr(OpenBets, "tick", counted)
    sweepers = [Sweeper(casino.engine, P) for _ in range(4)]
    for _ in range(3):
        for sweeper in sweepers:
            await sweeper.tick()
    assert len(ticks) == 3 and len(set(map(id, ticks))) == 1

    await casino.transport.call("DEL", keys.sweeper(P))  # the process is gone, and its lease runs out
    for sweeper in reversed(sweepers):
        await sweeper.tick()

    assert len(ticks) == 4 and ticks[3] is not ticks[0]
    left_ms: Any = await casino.administer("PTTL", keys.sweeper(P))
    assert 0 < left_ms <= sweeping._LEASE_MS


async def test_given_a_closed_partition_when_a_sweeper_ticks_then_it_writes_nothing(casino: World) -> None:
    await casino.shut()
    engine = await casino.another_engine()
    before = await casino.dump()

    with pytest.raises(CroupierError, match="NOT_READY"):
        await Sweeper(engine, P).tick()

    assert await casino.dump() == before


async def test_given_sweepers_in_several_processes_when_rounds_end_then_each_is_settled_within_the_promised_time(
    real: World,
) -> None:
    """The bound of the contract is 250 ms; here other processes compete for the same cores, so it is ten times that."""
    engines = [await real.another_engine(clock_ms="real") for _ in range(3)]
    running = [asyncio.create_task(keep_sweeping(engine)) for engine in engines]
    try:
        for uid in range(1, 101):
            await bet(real, uid, 100, None)

        async def all_settled() -> bool:
            return len(await settlements(real)) == 100

        await until(all_settled, "all rounds to be settled")
    finally:
        await stopped(running)
    for event in await settlements(real):
        crash = CRASH.unpack(event.changes[1].value or b"")
        assert crash.settled_payout == (200 if crash_point(event.header.uid) >= 200 else 0)


async def stopped(running: list[asyncio.Task[None]]) -> None:
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


async def test_given_a_server_that_loses_its_connections_when_rounds_end_then_each_is_settled_once(
    real: World,
) -> None:
    running = [asyncio.create_task(keep_sweeping(await real.another_engine(clock_ms="real")))]
    try:
        for uid in range(1, 41):
            await bet(real, uid, 100, None)
            if uid % 10 == 0:
                await real.administer("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
                await connected(real.engine)

        async def all_settled() -> bool:
            return not await open_players(real)

        await until(all_settled, "all rounds to be settled")
    finally:
        await stopped(running)
    uids = [event.header.uid for event in await settlements(real)]
    assert sorted(uids) == list(range(1, 41))


async def connected(engine: Engine) -> None:
    async def is_connected() -> bool:
        return engine.transport.identity is not None

    await until(is_connected, "a connection")


async def test_given_a_fault_in_sweeping_when_it_repeats_then_it_is_logged_once_and_sweeping_goes_on(
    real: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = 0
    tick = OpenBets.tick

    async def faulty(self: OpenBets, now_ms: int) -> None:
        nonlocal tries
        tries += 1
        if tries <= 3:
            raise ZeroDivisionError("a fault")
        await tick(self, now_ms)

    monkeypatch.setattr(OpenBets, "tick", faulty)
    await bet(real, 1)
    with structlog.testing.capture_logs() as logs:
        running = [asyncio.create_task(keep_sweeping(real.engine))]
        try:

            async def settled() -> bool:
                return bool(await settlements(real))

            await until(settled, "the round to be settled")
        finally:
            await stopped(running)
    assert [line["event"] for line in logs].count("sweeping failed; it is tried again") == 1


async def test_given_the_deterministic_mode_when_its_clock_is_set_then_the_sweeper_lives_by_it(
    open_world: OpenWorld,
) -> None:
    settings = Settings(master_keys=SETTINGS.master_keys, deterministic_seed="a seed of the tests")
    world = await open_world(crash_economy(), settings=settings)
    engine = await world.another_engine(settings, clock_ms="real")
    assert engine.injected_clock is not None
    engine.injected_clock.now_ms = NOON_MS
    game = await bet(world, 1, 100, 2.0, engine=engine)
    sweeper = Sweeper(engine, P)
    await sweeper.tick()

    engine.injected_clock.now_ms = NOON_MS + 60_000
    await sweeper.tick()

    crash = await record(world, 1)
    assert (crash.settled_game.hex(), crash.bet) == (game.game_id, 0)
