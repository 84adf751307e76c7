"""The tail of one worker's latency at half of its peak load, by `croupier load`.

The peak is what a closed loop of 32 connections gets. The latencies are those of an open loop at half that rate, and
count from the moment at which a request was due. The worker has one core, where there are two; the generator shares
the other one with Redis.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bench.harness import sized
from bench.serving import SECRET, Worker, pin, serving
from bench.target import Target
from croupier_cli.load.result import Result

PEAK_S = 5
OPEN_S = 15
WARM_UP_S = 1


def load(worker: Worker, seconds: int, *options: str) -> Result:
    """`croupier load` for so long, in a process of its own."""
    process = subprocess.Popen(
        [
            sys.executable, "-m", "croupier_cli.main", "load", "--url", f"http://127.0.0.1:{worker.port}", "--json",
            "--warmup", f"{WARM_UP_S}s", "--duration", f"{seconds}s", "--error-budget", "0%", *options,
        ],
        env=os.environ | {"JWT_SECRET_KEY": SECRET},
        stdout=subprocess.PIPE,
    )  # fmt: skip
    pin(process.pid, 1)
    printed, _ = process.communicate()
    assert process.returncode == 0
    return msgspec.json.decode(printed, type=Result)


@pytest.mark.benchmark(group="HTTP, one worker, latency at half of peak load")
def test_latency_at_half_of_peak(benchmark: Any, redis_target: Target, tmp_path: Path) -> None:
    with serving(redis_target, tmp_path, 1) as worker:
        pin(redis_target.pid, 1)
        pin(worker.pid, 0)
        peak_per_s = load(worker, sized(benchmark, PEAK_S, 1)).total.per_s
        found = benchmark.pedantic(
            lambda: load(worker, sized(benchmark, OPEN_S, 1), "--rate", f"{peak_per_s / 2:.0f}"),
            rounds=1,
            iterations=1,
        )
    latency = found.total.latency_ms
    benchmark.extra_info |= {
        "peak_per_s": round(peak_per_s),
        "per_s": round(found.total.per_s),
        "p50_ms": latency.p50,
        "p99_ms": latency.p99,
        "p99_9_ms": latency.p99_9,
        "p99_of_p50": round(latency.p99 / latency.p50, 1),
        "late_ms_max": round(found.generator.late_ms_max, 2),
    }
