"""The crash point's distribution, and that the scripts compute it, and the multiplier, as Python does."""

import math
import shutil
from pathlib import Path
from typing import Any

import pytest

import croupier_lua
from croupier.crash.rounds import crash_point_m100, duration_ms, multiplier_m100
from croupier.scripts import Script, Scripts
from tests.commands.conftest import OpenWorld
from tests.commands.crash_rounds import CAP, GROWTH, bet, crash_economy, record, settle
from tests.commands.known_rolls import rolls_of
from tests.commands.world import MASTER_KEY, World
from tests.model import crash as model
from tests.model import fairness

ROUNDS = 200_000
# The stage as the product has it, run for many times and rolls at once; it reads its locals and nothing else.
_TABLE = """-- What the stage makes of many rounds.
-- @arg crash_cap_m100      int
-- @arg crash_growth_ppm    int
-- @arg first_ms            int
-- @arg count               int
-- @arg digits              text

local found, crash_started_at_ms, crash_target_m100 = {}, 0, crash_cap_m100
for index = 0, count - 1 do
  local now_ms, rolls = first_ms + index, {0}
  if digits ~= '' then rolls[1] = tonumber(sub(digits, 13 * index + 1, 13 * index + 13), 16) / 4503599627370496 end
  -- @stage crash_judge
  found[index + 1] = digits ~= '' and crash_point or reached
end
return found
"""


@pytest.fixture
def table(tmp_path: Path) -> Script:
    shutil.copytree(Path(str(croupier_lua.ROOT), "include"), tmp_path / "include")
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "table.lua").write_text(_TABLE)
    return Scripts(tmp_path)["test.table"]


def simulated_rolls(count: int) -> list[str]:
    """Roll 0 of so many rounds of one player, as 13 hexadecimal digits."""
    seed = fairness.server_seed(MASTER_KEY, 1, 1)
    return [fairness.block(seed, "1", nonce, 0)[:13] for nonce in range(1, count + 1)]


def test_given_200_000_rounds_when_crash_points_are_counted_then_each_is_reached_as_often_as_disclosed() -> (
    None
):
    points = [model.crash_m100(int(digits, 16) / 2**52, CAP) for digits in simulated_rolls(ROUNDS)]

    for m100 in (101, 150, 200, 1_000, 10_000):
        expected = 99 / m100
        reached = sum(point >= m100 for point in points) / ROUNDS
        # Four standard deviations of the share of a fixed sample: 1 in 16,000 by chance.
        assert abs(reached - expected) < 4 * math.sqrt(expected * (1 - expected) / ROUNDS), m100
    assert max(points) == CAP and min(points) == 100


async def test_given_5_000_rolls_when_the_script_computes_crash_points_then_they_are_the_models(
    world: World, table: Script
) -> None:
    digits = [*simulated_rolls(5_000), "0" * 13, "f" * 13, "8" + "0" * 12, "028f5c28f5c28", "028f5c28f5c29"]

    answer: Any = await world.transport.run(
        table, [], table.argv(CAP, GROWTH, 0, len(digits), "".join(digits))
    )

    expected = [model.crash_m100(int(each, 16) / 2**52, CAP) for each in digits]
    assert answer == expected
    assert [crash_point_m100(int(each, 16) / 2**52, CAP) for each in digits] == expected


@pytest.mark.parametrize(("growth", "cap"), [(GROWTH, CAP), (1_000_000, CAP), (999_983, 20_000)])
async def test_given_every_ms_of_a_round_when_the_script_computes_the_multiplier_then_it_is_pythons(
    world: World, table: Script, growth: int, cap: int
) -> None:
    last_ms = math.ceil(1e9 * math.log(cap / 100) / growth) + 1_000
    for first_ms in range(0, last_ms, 20_000):
        answer: Any = await world.transport.run(table, [], table.argv(cap, growth, first_ms, 20_000, ""))
        times = range(first_ms, first_ms + 20_000)
        assert answer == [model.m100(growth, cap, elapsed_ms) for elapsed_ms in times]
        assert answer == [multiplier_m100(growth, cap, elapsed_ms) for elapsed_ms in times]


@pytest.mark.parametrize("elapsed_ms", [10**9, 10**12, 2 * 10**12])
async def test_given_a_round_of_years_when_the_multiplier_is_computed_then_it_is_the_cap(
    world: World, table: Script, elapsed_ms: int
) -> None:
    for growth in (1_000, GROWTH, 1_000_000):
        answer = await world.transport.run(table, [], table.argv(CAP, growth, elapsed_ms, 1, ""))
        assert answer == [CAP] == [multiplier_m100(growth, CAP, elapsed_ms)]


async def test_given_1_000_rounds_when_they_are_settled_then_each_crash_point_is_the_models(
    open_world: OpenWorld,
) -> None:
    world = await open_world(crash_economy())
    for round_number in range(1_000):
        uid = 1 + round_number % 20
        game = await bet(world, uid, 1, 1.01)
        world.clock.now_ms += 1_000
        assert await settle(world, uid, game.game_id)
        nonce = 1 + round_number // 20
        assert (await record(world, uid)).settled_crash_m100 == model.crash_m100(
            rolls_of(uid, nonce, 1)[0], CAP
        )


def test_given_rounds_of_all_kinds_when_their_end_is_computed_then_it_is_the_first_ms_at_which_they_are_over() -> (
    None
):
    for growth in (GROWTH, 1_000, 1_000_000, 77_777):
        for point in (100, 101, 102, 137, 250, 999, 12_345, 99_999, CAP):
            for target in (101, 102, 137, 138, 250, 12_346, CAP):
                asked = model.Bet(1, target, CAP, growth, 0)
                assert duration_ms(point, target, CAP, growth) == model.over_after_ms(asked, point)
