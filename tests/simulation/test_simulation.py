"""Some hundreds of seeds. `python -m tests.simulation --seeds 10000` runs more; a failure says how to see it again."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.__main__ import replay_line
from tests.simulation.scenario import simulate

SEEDS = 320
AT_ONCE = 8


@pytest.mark.parametrize("first", range(0, SEEDS, AT_ONCE))
def test_given_a_seed_when_everything_has_gone_wrong_and_is_healed_then_nothing_is_broken(first: int) -> None:
    courses = [simulate(seed) for seed in range(first, first + AT_ONCE)]

    assert [f"{replay_line(each.seed)}: {each.broken}" for each in courses if each.broken] == []


@pytest.mark.parametrize("seed", [3, 20])
def test_given_a_seed_when_it_runs_with_other_hashes_then_the_same_happens(seed: int) -> None:
    code = f"from tests.simulation.scenario import simulate; print(simulate({seed}).digest)"

    digests = {
        subprocess.run(
            [sys.executable, "-c", code], env=os.environ | {"PYTHONHASHSEED": hashes},
            cwd=Path(__file__).parents[2], check=True, capture_output=True, text=True,
        ).stdout
        for hashes in ("1", "2")
    }  # fmt: skip

    assert digests == {simulate(seed).digest + "\n"}
