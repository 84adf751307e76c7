"""One HTTP worker's pull beside the bare JSON route of a minimal aiohttp application.

Both are loaded by the same generator over 32 connections, in turn, so that whatever else the machine does hits both
alike. The worker is as `croupier serve` starts it: metrics of several processes, a real Valkey, a token per player.
Where there are two cores, the server under test has one, and the generator shares the other one with Valkey.
"""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from bench.serving import REQUESTS, SECRET, SERVE, Generator, pin, pulls
from croupier.economy import canonical, load_economy
from croupier.fairness.seeds import MasterKeys
from croupier_cli.embedded import Valkey
from croupier_schemas.economy import BALANCE_MAX, DailyLimit

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
    """One worker whose players run out of nothing."""
    limit = DailyLimit(STANDARD=10_000, PREMIUM=10_000, VIP=10_000)
    economy = load_economy()
    economy = replace(economy, initial_tokens=BALANCE_MAX, gacha=replace(economy.gacha, daily_limit=limit))
    economy_file = tmp_path / "economy.json"
    economy_file.write_bytes(canonical(economy))
    with Valkey.start(tmp_path / "valkey") as valkey:
        pin(valkey.pid, 1)
        environment = {
            "REDIS_URL": valkey.url,
            "DATABASE_URL": "",
            "JWT_SECRET_KEY": SECRET,
            "CROUPIER_MASTER_KEYS": MasterKeys.generate(),
            "CROUPIER_ECONOMY": str(economy_file),
            "CROUPIER_HTTP_PORT": "0",
            "CROUPIER_WORKERS": "1",
        }
        process = subprocess.Popen(
            [sys.executable, "-c", SERVE], env=os.environ | environment, stderr=subprocess.PIPE, text=True
        )
        assert process.stderr is not None
        try:
            events: dict[str, dict[str, Any]] = {}
            while "listening" not in events or "partition opened without Postgres" not in events:
                event = json.loads(process.stderr.readline())
                events[event["event"]] = event
            port = int(events["listening"]["url"].rpartition(":")[2])
            with contextlib.closing(pulls(port, events["worker started"]["worker_pid"])) as generator:
                yield generator
        finally:
            process.terminate()
            process.communicate()


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
