"""Rate limits, exact to the call, in the same script as the command they guard."""

import asyncio
import random
from typing import Any

import pytest
from msgspec.structs import replace

from croupier.engine import Engine
from croupier.errors import CroupierError
from croupier.gacha.pull import PULL
from croupier_schemas import keys
from croupier_schemas.economy import Economy, Tier
from croupier_schemas.gacha import GachaPull
from croupier_schemas.records import FLAG_BANNED, PLAYER
from tests.commands.conftest import OpenWorld
from tests.commands.economies import economy
from tests.commands.world import NOON_MS, SETTINGS, P, World, caller
from tests.model.rate_limit import CallLog

PATIENT = replace(SETTINGS, command_timeout_seconds=60.0)
"""A busy machine may take longer than two seconds for a thousand calls."""


def limited(per_second: int, per_minute: int, *, mode: str = "enforce", **tiers: tuple[int, int]) -> Economy:
    """An economy whose games let so many calls through; other limits for the tiers that are named."""
    rates = {
        tier: {"per_second": second, "per_minute": minute}
        for tier, (second, minute) in {
            "STANDARD": (per_second, per_minute), "PREMIUM": (per_second, per_minute), "VIP": (per_second, per_minute),
            **tiers,
        }.items()
    }  # fmt: skip
    return economy(rate_limit={"mode": mode, "games": rates})


async def outcome(
    world: World, uid: int, tier: Tier = "STANDARD", engine: Engine | None = None
) -> CroupierError | None:
    try:
        await world.pull(uid, tier=tier, engine=engine)
    except CroupierError as error:
        return error
    return None


@pytest.mark.parametrize(("per_second", "per_minute"), [(10, 10), (10, 600)])
async def test_given_a_limit_of_10_when_1000_call_at_once_then_exactly_10_are_let_through(
    open_world: OpenWorld, per_second: int, per_minute: int
) -> None:
    world = await open_world(limited(per_second, per_minute), settings=PATIENT)

    errors = await asyncio.gather(*(outcome(world, 1) for _ in range(1_000)))

    assert errors.count(None) == 10
    assert {error.code for error in errors if error} == {"RATE_LIMITED"}
    assert (await world.existing_player(1)).nonce == 10


async def test_given_real_time_when_1000_call_at_once_over_connections_then_exactly_10_are_let_through(
    open_world: OpenWorld,
) -> None:
    world = await open_world(limited(10, 10))
    engines = [await world.another_engine(PATIENT, clock_ms="real") for _ in range(4)]

    errors = await asyncio.gather(*(outcome(world, 1, engine=engines[number % 4]) for number in range(1_000)))

    # All of them take seconds at most, and the window is a minute.
    assert errors.count(None) == 10
    assert {error.code for error in errors if error} == {"RATE_LIMITED"}


async def test_given_a_full_second_when_it_slides_then_each_call_makes_room_after_exactly_1000_ms(
    open_world: OpenWorld,
) -> None:
    world = await open_world(limited(2, 600))
    start = world.clock.now_ms
    await world.pull(1)
    world.clock.now_ms = start + 400
    await world.pull(1)

    for now_ms, wait_ms in ((400, 600), (999, 1)):
        world.clock.now_ms = start + now_ms
        error = await world.refused(world.pull(1))
        assert (error.code, error.retry_after_s, error.fields["window"]) == (
            "RATE_LIMITED",
            wait_ms / 1000,
            "second",
        )
    world.clock.now_ms = start + 1_000
    await world.pull(1)
    assert (await world.refused(world.pull(1))).retry_after_s == 0.4


async def test_given_a_full_minute_when_it_slides_then_no_bucket_resets_it(open_world: OpenWorld) -> None:
    world = await open_world(limited(3, 3))
    start = world.clock.now_ms
    for second in (0, 30, 59):
        world.clock.now_ms = start + second * 1_000
        await world.pull(1)

    error = await world.refused(world.pull(1))
    assert (error.retry_after_s, error.fields) == (
        1.0, {"scope": "games", "window": "minute", "limit_per_second": 3, "limit_per_minute": 3},
    )  # fmt: skip
    world.clock.now_ms = start + 60_000
    await world.pull(1)
    assert (await world.refused(world.pull(1))).retry_after_s == 30.0


async def test_given_tiers_when_they_call_then_each_has_its_own_limit_and_the_log_is_one(
    open_world: OpenWorld,
) -> None:
    world = await open_world(limited(2, 2, VIP=(4, 4)))
    for _ in range(2):
        assert await outcome(world, 1) is None
    assert await outcome(world, 1)

    assert [await outcome(world, 1, "VIP") is None for _ in range(3)] == [True, True, False]
    assert await outcome(world, 1)  # as STANDARD again: the newest 2 of 4 fill it


async def test_given_refused_and_replayed_calls_when_counted_then_they_are_not(open_world: OpenWorld) -> None:
    world = await open_world(limited(2, 2))
    await world.pull(1, key="k")
    for _ in range(5):
        assert (await world.pull_twice(1, key="k"))[1]
        error = await world.refused(world.pull(1, banner="nowhere"))
        assert error.code == "BANNER_NOT_FOUND"
    await world.pull(1)

    error = await world.refused(world.pull(1))
    assert error.code == "RATE_LIMITED"
    assert (await world.pull_twice(1, key="k"))[1]  # a replay passes where a call would not


async def test_given_shadow_mode_when_the_limit_is_passed_then_the_call_runs_and_says_so(
    open_world: OpenWorld,
) -> None:
    world = await open_world(limited(2, 2, mode="shadow"))

    blocked = []
    for second in (0, 1, 2, 59, 60, 60, 61):
        world.clock.now_ms = NOON_MS + second * 1_000
        done = await world.engine.execute(PULL, caller(1), GachaPull(banner="main"))
        blocked.append(done.rate_blocked)

    # As in enforce mode, what would be refused does not count.
    assert blocked == [False, False, True, True, False, True, False]
    assert len(await world.events("gacha.pulled")) == 7


async def test_given_a_minute_without_calls_when_the_next_comes_then_the_log_is_forgotten(
    open_world: OpenWorld,
) -> None:
    world = await open_world(limited(3, 3))
    for _ in range(3):
        await world.pull(1)

    world.clock.now_ms += 60_000
    await world.pull(1)

    assert (await world.existing_player(1)).rate_count == 1


async def test_given_a_clock_that_goes_back_when_called_then_the_log_keeps_its_order(
    open_world: OpenWorld,
) -> None:
    world = await open_world(limited(2, 2))
    await world.pull(1)
    world.clock.now_ms -= 10_000
    await world.pull(1)

    error = await world.refused(world.pull(1))
    assert error.retry_after_s == 70.0
    world.clock.now_ms -= 3_600_000  # it was an hour ahead: nobody waits for that
    await world.pull(1)


async def test_given_other_limits_when_they_come_into_force_then_the_newest_calls_count_on(
    open_world: OpenWorld,
) -> None:
    world = await open_world(limited(5, 5))
    for _ in range(7):
        world.clock.now_ms += 13_000
        await world.pull(1)

    await world.push(limited(3, 3))  # the newest three are 0, 13 and 26 s old
    assert (await world.refused(world.pull(1))).retry_after_s == 34.0
    await world.push(limited(8, 8))  # the log has five of the last minute, and room for three
    for _ in range(3):
        await world.pull(1)
    assert (await world.refused(world.pull(1))).retry_after_s == 8.0


async def test_given_a_record_without_its_tail_when_called_then_a_new_log_begins(
    open_world: OpenWorld,
) -> None:
    world = await open_world(limited(2, 2))
    for _ in range(2):
        await world.pull(1)
    record: Any = await world.transport.call("GET", keys.player(P, 1))
    await world.transport.call("SET", keys.player(P, 1), record[: PLAYER.durable_size])

    await world.pull(1)

    assert (await world.existing_player(1)).rate_count == 1


@pytest.mark.parametrize("seed", range(6))
async def test_given_a_random_course_of_calls_when_compared_with_the_list_of_times_then_every_verdict_is_equal(
    open_world: OpenWorld, seed: int
) -> None:
    chance = random.Random(seed)
    limits = [(2, 5), (5, 5), (1, 3), (3, 17)]
    second, minute = limits[0]
    world, log = await open_world(limited(second, minute)), CallLog()
    for _ in range(400):
        world.clock.now_ms += chance.choice([0, 0, 1, 250, 999, 1_000, 7_000, 59_999, 60_000, -300, -5_000])
        if chance.random() < 0.02:
            second, minute = chance.choice(limits)
            await world.push(limited(second, minute))
        wait_ms = log.wait_ms(world.clock.now_ms, second, minute)
        error = await outcome(world, 1)
        if wait_ms:
            behind_ms = max(0, log.times_ms[-1] - world.clock.now_ms)
            assert error is not None and error.retry_after_s == (wait_ms + behind_ms) / 1000
        else:
            assert error is None
            log.add(world.clock.now_ms)


async def test_given_a_full_window_when_the_economy_would_refuse_as_well_then_the_rate_limit_comes_first(
    open_world: OpenWorld,
) -> None:
    world = await open_world(limited(1, 1))
    assert (await world.refused(world.pull(1, banner="nowhere"))).code == "BANNER_NOT_FOUND"
    await world.pull(1)

    assert (await world.refused(world.pull(1, banner="nowhere"))).code == "RATE_LIMITED"
    await world.change_player(1, flags=FLAG_BANNED)
    assert (await world.refused(world.pull(1, banner="nowhere"))).code == "PLAYER_BANNED"


async def test_given_shadow_mode_when_a_call_of_another_tier_is_blocked_then_the_log_stays_as_it_was(
    open_world: OpenWorld,
) -> None:
    world = await open_world(limited(2, 2, mode="shadow", VIP=(10, 10)))
    blocked = []
    for tier in ("VIP",) * 10 + ("STANDARD",) + ("VIP",) * 3:
        asked = caller(1, tier=tier)
        blocked.append((await world.engine.execute(PULL, asked, GachaPull(banner="main"))).rate_blocked)

    assert blocked == [False] * 10 + [True] * 4
    assert (await world.existing_player(1)).rate_size == 10


@pytest.mark.parametrize(("per_minute", "sizes"), [(3, [3]), (8, [8]), (20, [8, 16, 20])])
async def test_given_a_busy_minute_when_the_log_is_full_then_it_grows_as_far_as_the_limit_and_no_call_is_lost(
    open_world: OpenWorld, per_minute: int, sizes: list[int]
) -> None:
    world = await open_world(limited(per_minute, per_minute))
    seen = []
    for _ in range(per_minute):
        world.clock.now_ms += 100
        await world.pull(1)
        size = (await world.existing_player(1)).rate_size
        if size not in seen:
            seen.append(size)

    assert seen == sizes
    record: Any = await world.transport.call("GET", keys.player(P, 1))
    assert len(record) == PLAYER.size + 4 * sizes[-1]
    error = await world.refused(world.pull(1))
    assert error.retry_after_s == (60_000 - 100 * (per_minute - 1)) / 1000


async def test_given_a_quiet_player_when_the_log_has_gone_round_then_it_has_not_grown(
    open_world: OpenWorld,
) -> None:
    world = await open_world(limited(100, 100))
    for _ in range(30):
        world.clock.now_ms += 8_000
        await world.pull(1)

    assert (await world.existing_player(1)).rate_size == 8
