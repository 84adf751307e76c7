"""One HTTP worker's pull beside the bare JSON route of a minimal aiohttp application, and two workers beside one.

Both sides are loaded by the same generator over 32 connections, in turn, so that whatever else the machine does hits
both alike. Workers are as `croupier serve` starts them: metrics of several processes, a real Redis, a token per player.
Beside the bare route, where there are two cores, the server under test has one, and the generator shares the other one
with Redis; two workers and one have what cores there are.
"""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.serving import REQUESTS, Generator, pin, pulls, serving
from bench.target import Target

ROUNDS = 10


@pytest.fixture
def reference() -> Iterator[Generator]:
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.http_reference"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        with contextlib.closing(pulls(int(process.stdout.readline()), process.pid)) as generator:
            yield generator
    finally:
        process.communicate()


@pytest.mark.benchmark(group=f"HTTP, one worker, 32 connections, rounds of {REQUESTS:,} requests")
def test_gacha_pull_beside_a_bare_route(
    benchmark: Any, redis_target: Target, reference: Generator, tmp_path: Path
) -> None:
    with (
        serving(redis_target, tmp_path, 1) as running,
        contextlib.closing(pulls(running.port, running.pid)) as worker,
    ):
        pin(redis_target.pid, 1)
        worker.warm_up()

        benchmark.pedantic(worker.run, setup=reference.run, rounds=ROUNDS, iterations=1, warmup_rounds=1)

    benchmark.extra_info |= {
        "per_s": round(worker.per_s),
        "reference_per_s": round(reference.per_s),
        "of_reference": round(worker.per_s / reference.per_s, 3),
        "cpu_us_per_request": round(worker.cpu_us, 1),
        "reference_cpu_us_per_request": round(reference.cpu_us, 1),
        "of_reference_by_cpu": round(reference.cpu_us / worker.cpu_us, 3),
    }


@pytest.mark.benchmark(group=f"HTTP, two workers beside one, rounds of {REQUESTS:,} requests")
def test_two_workers_beside_one(benchmark: Any, redis_target: Target, tmp_path: Path) -> None:
    with contextlib.ExitStack() as opened:
        first = opened.enter_context(serving(redis_target, tmp_path, 1))
        second = opened.enter_context(
            serving(redis_target, tmp_path, 2, CROUPIER_MASTER_KEYS=first.master_keys)
        )
        one, two = (
            opened.enter_context(contextlib.closing(pulls(each.port, each.pid, pinned=False)))
            for each in (first, second)
        )
        one.warm_up()
        two.warm_up()

        benchmark.pedantic(two.run, setup=one.run, rounds=ROUNDS, iterations=1)

    benchmark.extra_info |= {
        "per_s": round(two.per_s),
        "one_worker_per_s": round(one.per_s),
        "of_one_worker": round(two.per_s / one.per_s, 3),
    }
