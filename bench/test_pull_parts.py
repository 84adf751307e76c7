"""What each part costs the pull: with and without it, each beside the floor and beside the plain pull, in turn.

The plain pull has a rate limit, true HMACs and its event, and no idempotency key. What is left out is left out of the
script: its stage is replaced by one that does nothing.
"""

import asyncio
import dataclasses
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import croupier_lua
from bench.commands import ONE_PULL, TEN_PULL
from bench.harness import RawConnection, Timed, server_cpu_s
from bench.recording import PLAYERS, Case, Floor, last_event_bytes, record
from bench.target import Target
from croupier.scripts import Scripts

ROUNDS = 40

_NO_RATE_LIMIT = """
local rate_slot, rate_blocked = nil --[[<record>]], 0
"""
_NO_HMAC = """
local rolls = {}
for number = 1, roll_count do rolls[number] = math.random() end
"""


@dataclass(frozen=True)
class Variant:
    """A pull as it might be. `stages` are Lua in place of stages of that name."""

    name: str
    case: Case
    stages: dict[str, str]


VARIANTS = (
    Variant("plain pull", ONE_PULL, {}),
    Variant("with idempotency key", dataclasses.replace(ONE_PULL, keyed=True), {}),
    Variant("without rate limit", ONE_PULL, {"rate_limit": _NO_RATE_LIMIT}),
    Variant("without HMAC", ONE_PULL, {"rolls": _NO_HMAC}),
    Variant("without both", ONE_PULL, {"rate_limit": _NO_RATE_LIMIT, "rolls": _NO_HMAC}),
    Variant("ten-pull", TEN_PULL, {}),
    Variant("ten-pull without HMAC", TEN_PULL, {"rolls": _NO_HMAC}),
)


@pytest.mark.benchmark(group=f"what each part costs the pull, rounds of {PLAYERS:,} players")
@pytest.mark.parametrize("variant", VARIANTS, ids=[variant.name for variant in VARIANTS])
def test_part_of_the_pull(
    benchmark: Any, scripts_target: Target, raw: RawConnection, variant: Variant, tmp_path: Path
) -> None:
    recorded = asyncio.run(
        record(scripts_target.url, variant.case, scripts=_altered(tmp_path, variant.stages))
    )
    recorded.must_succeed(raw)
    floor = Floor(raw, last_event_bytes(raw))
    plain = asyncio.run(record(scripts_target.url, ONE_PULL))
    plain.must_succeed(raw)
    plain_cpu = Timed(lambda: plain.run(raw), clock=lambda: server_cpu_s(raw))
    cpu = Timed(lambda: recorded.run(raw), clock=lambda: server_cpu_s(raw))
    wall = Timed(cpu)

    def before_round() -> None:
        floor.run()
        plain.begin_again(raw)
        plain_cpu()
        recorded.begin_again(raw)

    benchmark.pedantic(wall, setup=before_round, rounds=ROUNDS, iterations=1, warmup_rounds=2)

    us, plain_us = (each.median_s / PLAYERS * 1e6 for each in (cpu, plain_cpu))
    benchmark.extra_info |= {
        "calls_per_s": round(PLAYERS / wall.median_s),
        "us_per_call": round(wall.median_s / PLAYERS * 1e6, 1),
        "of_floor": round(floor.median_s / wall.median_s, 3),
        "cpu_us_per_call": round(us, 1),
        "cpu_us_more": round(us - plain_us, 1),
        "of_plain_pull": round(plain_us / us, 3),
    }


def _altered(directory: Path, stages: dict[str, str]) -> Scripts:
    """The product's scripts with these stages in place of its own, whose contracts they keep."""
    root = directory / "lua"
    shutil.copytree(Path(str(croupier_lua.ROOT)), root)
    for name, code in stages.items():
        stage = root / "include" / f"{name}.lua"
        lines = stage.read_text("utf-8").splitlines(keepends=True)
        stage.write_text("".join(line for line in lines if line.startswith("--")) + code, "utf-8")
    return Scripts(root)
