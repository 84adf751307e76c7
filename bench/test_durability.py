"""Strict commands beside fast ones: what it costs to be answered only when Postgres has the event.

The same process of players makes both, in turn, 64 calls at a time, while one sync daemon follows: fast rounds are
followed too, since that is how a casino runs. Postgres waits for its disk at each commit.
"""

import contextlib
import statistics
from pathlib import Path
from typing import Any

import pytest

from bench.casino import casino
from bench.harness import sized
from bench.serving import pulls

CALLERS = 64
CALLS = 6_400
ROUNDS = 6


@pytest.mark.benchmark(group=f"pulls, {CALLERS} callers, one worker, rounds of {CALLS:,} calls")
def test_strict_beside_fast(benchmark: Any, tmp_path: Path) -> None:
    fast: list[float] = []
    strict: list[float] = []
    calls = sized(benchmark, CALLS, 640)
    with casino(tmp_path) as servers, servers.daemon(), servers.players() as players:
        for level in ("redis", "postgres"):  # the first pulls of the players, which need their seeds
            players.play(calls, level, CALLERS)

        def fast_round() -> None:
            fast.append(players.play(calls, "redis", CALLERS))
            players.play(
                1, "postgres"
            )  # until Postgres has caught up, so that what follows waits for its own only

        def strict_round() -> None:
            strict.append(players.play(calls, "postgres", CALLERS))

        benchmark.pedantic(strict_round, setup=fast_round, rounds=ROUNDS, iterations=1)

    fast_s, strict_s = statistics.median(fast), statistics.median(strict)
    benchmark.extra_info |= {
        "fast_per_s": round(calls / fast_s),
        "strict_per_s": round(calls / strict_s),
        "of_fast": round(fast_s / strict_s, 3),
    }


@pytest.mark.benchmark(group=f"pulls over HTTP, one worker, {CALLERS} connections")
def test_strict_beside_fast_over_http(benchmark: Any, tmp_path: Path) -> None:
    """The same with the whole of a worker between, one for each level: what a client sees."""
    with contextlib.ExitStack() as running:
        servers = running.enter_context(casino(tmp_path))
        running.enter_context(servers.daemon())
        players = running.enter_context(servers.players())
        players.play(sized(benchmark, CALLS, 640), "postgres", CALLERS)
        fast, strict = (
            running.enter_context(
                contextlib.closing(pulls(*running.enter_context(servers.worker(level)), CALLERS))
            )
            for level in ("redis", "postgres")
        )
        fast.run()

        def fast_round() -> None:
            fast.run()
            players.play(1, "postgres")

        benchmark.pedantic(strict.run, setup=fast_round, rounds=ROUNDS, iterations=1, warmup_rounds=1)

    benchmark.extra_info |= {
        "fast_per_s": round(fast.per_s),
        "strict_per_s": round(strict.per_s),
        "of_fast": round(strict.per_s / fast.per_s, 3),
    }
