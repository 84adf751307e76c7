"""Script throughput at pipeline depth 32, beside the floor: one GET, one SET and one XADD in a script."""

import asyncio
from typing import Any

import pytest

from bench.commands import COMMANDS
from bench.harness import RawConnection, Timed
from bench.recording import PLAYERS, Case, Floor, last_event_bytes, record
from bench.target import Target

ROUNDS = 40


@pytest.mark.benchmark(group=f"scripts at pipeline depth 32, rounds of {PLAYERS:,} players")
@pytest.mark.parametrize("case", COMMANDS, ids=[case.name for case in COMMANDS])
def test_script_beside_the_floor(
    benchmark: Any, scripts_target: Target, raw: RawConnection, case: Case
) -> None:
    recorded = asyncio.run(record(scripts_target.url, case))
    recorded.must_succeed(raw)
    floor = Floor(raw, last_event_bytes(raw))
    command = Timed(lambda: recorded.run(raw))

    def before_round() -> None:
        floor.run()
        recorded.begin_again(raw)

    benchmark.pedantic(command, setup=before_round, rounds=ROUNDS, iterations=1, warmup_rounds=2)

    benchmark.extra_info |= {
        "calls_per_s": round(PLAYERS / command.median_s),
        "us_per_call": round(command.median_s / PLAYERS * 1e6, 1),
        "of_floor": round(floor.median_s / command.median_s, 3),
    }
