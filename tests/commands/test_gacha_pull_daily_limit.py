"""`gacha.pull` and its daily limit: by tier, until midnight in the configured zone."""

import asyncio
import datetime
from typing import Any

import pytest

from croupier.day import Day, DayZone
from croupier.errors import CroupierError
from croupier.settings import Settings
from croupier_schemas.economy import Tier
from tests.commands.conftest import OpenWorld
from tests.commands.economies import economy, main
from tests.commands.world import (
    SETTINGS,
    TODAY,
    DayArguments,
    World,
    at,
)

MIDNIGHT_MS = at("2026-03-11T00:00:00+09:00")
HOUR_MS = 3_600_000


async def test_given_a_limit_of_3_when_50_pull_at_once_then_3_succeed(open_world: OpenWorld) -> None:
    world = await open_world(main(daily_limit=3))
    workers = [await world.another_engine() for _ in range(4)]

    answers = await asyncio.gather(
        *(world.pull(1, engine=workers[i % 4]) for i in range(50)), return_exceptions=True
    )

    refused = [answer for answer in answers if isinstance(answer, CroupierError)]
    remaining = sorted(answer.daily_remaining for answer in answers if not isinstance(answer, BaseException))
    assert remaining == [0, 1, 2]
    assert len(refused) == 47
    assert {error.code for error in refused} == {"DAILY_GACHA_LIMIT"}
    assert len(await world.events("gacha.pulled")) == 3


async def test_given_the_limit_is_used_up_when_pulled_then_the_error_says_how_much_and_when_it_ends(
    open_world: OpenWorld,
) -> None:
    world = await open_world(main(daily_limit=2))
    for _ in range(2):
        await world.pull(1)
    world.clock.now_ms = MIDNIGHT_MS - 90_500

    error = await world.refused(world.pull(1))

    assert error.code == "DAILY_GACHA_LIMIT"
    assert error.fields == {
        "limit": 2,
        "used": 2,
        "resets_at": datetime.datetime(2026, 3, 10, 15, tzinfo=datetime.UTC),
    }
    assert error.retry_after_s == 90.5


@pytest.mark.parametrize(("tier", "limit"), [("STANDARD", 3), ("PREMIUM", 5), ("VIP", 5)])
async def test_given_the_default_limits_when_a_tier_pulls_then_it_has_its_own(
    open_world: OpenWorld, tier: Tier, limit: int
) -> None:
    limits = {"daily_limit": {"STANDARD": 3, "PREMIUM": 5, "VIP": 5}}
    world = await open_world(economy(gacha=limits))

    remaining = [(await world.pull(1, tier=tier)).daily_remaining for _ in range(limit)]

    assert remaining == list(range(limit - 1, -1, -1))
    assert (await world.refused(world.pull(1, tier=tier))).fields["limit"] == limit


async def test_given_a_player_at_its_limit_when_the_tier_rises_then_what_was_used_still_counts(
    open_world: OpenWorld,
) -> None:
    world = await open_world(economy(gacha={"daily_limit": {"STANDARD": 3, "PREMIUM": 5, "VIP": 5}}))
    for _ in range(3):
        await world.pull(1)

    assert (await world.pull(1, tier="VIP")).daily_remaining == 1
    error = await world.refused(world.pull(1))
    assert (error.fields["limit"], error.fields["used"]) == (3, 4)


async def test_given_a_ten_pull_when_it_is_counted_then_it_is_one_pull_over_all_banners(
    open_world: OpenWorld,
) -> None:
    world = await open_world(economy({"main": {**_banner()}, "other": {**_banner()}}, daily_limit=2))

    assert (await world.pull(1, 10)).daily_remaining == 1
    assert (await world.pull(1, banner="other")).daily_remaining == 0
    assert (await world.refused(world.pull(1, 10))).code == "DAILY_GACHA_LIMIT"


def _banner() -> dict[str, object]:
    free = {"one": 0, "ten": 0}
    weights = {"Legendary": 0, "Epic": 0, "Rare": 0, "Common": 1_000_000}
    return {"cost_tokens": free, "weights_ppm": weights, "items": {"Common": [{"id": "chip"}]}, "pity": {}}


async def test_given_a_limit_of_0_when_pulled_then_nobody_may(open_world: OpenWorld) -> None:
    world = await open_world(main(daily_limit=0))

    error = await world.refused(world.pull(1))

    assert error.code == "DAILY_GACHA_LIMIT" and error.fields["used"] == 0


async def test_given_midnight_in_seoul_when_pulled_on_both_sides_of_it_then_the_day_turns_there(
    open_world: OpenWorld,
) -> None:
    world = await open_world(main(daily_limit=1))
    world.clock.now_ms = MIDNIGHT_MS - 1

    await world.pull(1)
    assert (await world.refused(world.pull(1))).fields["resets_at"] == datetime.datetime(
        2026, 3, 10, 15, tzinfo=datetime.UTC
    )
    world.clock.now_ms = MIDNIGHT_MS
    assert (await world.pull(1)).daily_remaining == 0
    assert (await world.existing_player(1)).day == TODAY + 1
    assert (await world.refused(world.pull(1))).retry_after_s == 86_400


async def test_given_another_zone_when_the_day_has_23_hours_then_it_turns_at_that_zones_midnight(
    open_world: OpenWorld,
) -> None:
    settings = Settings(master_keys=SETTINGS.master_keys, day_zone="Europe/Berlin")
    world = await open_world(main(daily_limit=1), settings=settings)
    world.clock.now_ms = at("2026-03-29T00:00:00+01:00")
    await world.pull(1)

    error = await world.refused(world.pull(1))

    assert error.retry_after_s == 23 * 3600
    world.clock.now_ms = at("2026-03-30T00:00:00+02:00")
    await world.pull(1)


async def test_given_a_clock_that_goes_back_when_pulled_then_the_count_is_not_reset(
    open_world: OpenWorld,
) -> None:
    world = await open_world(main(daily_limit=2))
    world.clock.now_ms = MIDNIGHT_MS + HOUR_MS
    await world.pull(1)

    world.clock.now_ms = MIDNIGHT_MS - HOUR_MS
    assert (await world.pull(1)).daily_remaining == 0
    assert (await world.refused(world.pull(1))).code == "DAILY_GACHA_LIMIT"
    assert (await world.existing_player(1)).day == TODAY + 1
    world.clock.now_ms = MIDNIGHT_MS + HOUR_MS
    assert (await world.refused(world.pull(1))).code == "DAILY_GACHA_LIMIT"


@pytest.mark.parametrize(
    ("clock_ms", "stale"),
    [
        (MIDNIGHT_MS - 86_400_001, True),
        (MIDNIGHT_MS - 86_400_000, False),
        (MIDNIGHT_MS - 1, False),
        (MIDNIGHT_MS, True),
        (MIDNIGHT_MS + 1, True),
    ],
)
async def test_given_a_day_computed_by_the_caller_when_the_script_runs_outside_it_then_it_is_stale(
    world: World, clock_ms: int, stale: bool
) -> None:
    before = await world.dump()

    answer = await world.run_pull_script(
        1, fence=(await world.head()).fence, clock_ms=clock_ms, days=DayArguments()
    )

    assert answer[:1] == ([b"STALE_DAY"] if stale else [b"OK"])
    if stale:
        assert answer[1] == str(clock_ms).encode()
        assert await world.dump() == before


class TwoReadings:
    """A server clock that crosses midnight between the engine's look at the day and the script's run."""

    def __init__(self) -> None:
        self.readings = [MIDNIGHT_MS - 1, MIDNIGHT_MS]

    def __call__(self) -> int:
        return self.readings.pop(0) if len(self.readings) > 1 else self.readings[0]


async def test_given_a_day_computed_before_midnight_when_the_script_runs_after_it_then_the_new_day_counts(
    open_world: OpenWorld,
) -> None:
    world = await open_world(main(daily_limit=1))
    await world.pull(1)
    late = await world.another_engine(clock_ms=TwoReadings())
    answers: list[bytes] = []
    _spy(late, answers)

    reply = await world.pull(1, engine=late)

    assert answers == [b"STALE_DAY", b"OK"]
    assert reply.daily_remaining == 0
    player = await world.existing_player(1)
    assert (player.day, player.pulls, player.nonce) == (TODAY + 1, 1, 2)


def _spy(engine: object, answers: list[bytes]) -> None:
    """Note the code of each script's answer."""
    transport = engine.transport  # type: ignore[attr-defined]
    start = transport.start

    def noting(*args: object, **kwargs: object) -> object:
        answer = start(*args, **kwargs)
        answer.add_done_callback(lambda done: answers.append(done.result()[0]))
        return answer

    transport.start = noting


class YesterdayOnce(DayZone):
    """A zone that first names a day that has ended, as a worker does whose clock is behind."""

    asked = 0

    def day(self, now_ms: int) -> Day:
        self.asked += 1
        found = super().day(now_ms)
        return Day(found.number - 1, found.from_ms - 86_400_000, found.from_ms) if self.asked == 1 else found


async def test_given_the_servers_own_clock_when_the_engine_is_behind_then_it_learns_the_time_and_repeats(
    open_world: OpenWorld,
) -> None:
    world = await open_world(main(daily_limit=1))
    engine = await world.another_engine(clock_ms="real")
    zone = engine.zone = YesterdayOnce("Asia/Seoul")

    await world.pull(1, engine=engine)

    assert zone.asked == 2
    server_time: Any = await world.transport.call("TIME")
    day = DayZone("Asia/Seoul").day(int(server_time[0]) * 1000).number
    assert (await world.existing_player(1)).day in (day, day - 1)
