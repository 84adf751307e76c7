"""One HTTP worker's pull beside the bare JSON route of a minimal aiohttp application.

Both are loaded by the same generator over 32 connections, in turn, so that whatever else the machine does hits both
alike. The worker is as `croupier serve` starts it: metrics of several processes, a real Valkey, a token per player.
Where there are two cores, the server under test has one, and the generator shares the other one with Valkey.
"""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.serving import REQUESTS, Generator, one_worker, pulls

ROUNDS = 12


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


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Generator]:
    with (
        one_worker(tmp_path) as running,
        contextlib.closing(pulls(running.port, running.pid)) as generator,
    ):
        yield generator


@pytest.mark.benchmark(group=f"HTTP, one worker, 32 connections, rounds of {REQUESTS:,} requests")
def test_gacha_pull_beside_a_bare_route(benchmark: Any, worker: Generator, reference: Generator) -> None:
    worker.run()  # the players' first pulls, which need their seeds

    benchmark.pedantic(worker.run, setup=reference.run, rounds=ROUNDS, iterations=1, warmup_rounds=1)

    benchmark.extra_info |= {
        "per_s": round(worker.per_s),
        "reference_per_s": round(reference.per_s),
        "of_reference": round(worker.per_s / reference.per_s, 3),
        "cpu_us_per_request": round(worker.cpu_us, 1),
        "reference_cpu_us_per_request": round(reference.cpu_us, 1),
        "of_reference_by_cpu": round(reference.cpu_us / worker.cpu_us, 3),
    }
