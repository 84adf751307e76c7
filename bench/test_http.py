"""One HTTP worker's pull beside the bare JSON route of a minimal aiohttp application.

Both are loaded by the same generator over 32 connections, in turn, so that whatever else the machine does hits both
alike. The worker is as `croupier serve` starts it: metrics of several processes, a real Valkey, a token per player.
Where there are two cores, the server under test has one, and the generator shares the other one with Valkey.
"""

import contextlib
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
from msgspec.structs import replace

from bench.http_load import Load, Result
from bench.http_reference import PATH
from croupier.economy import canonical, load_economy
from croupier.fairness.seeds import MasterKeys
from croupier_cli.embedded import Valkey
from croupier_http.auth import make_token
from croupier_schemas.economy import BALANCE_MAX, DailyLimit

PLAYERS = 1_024
REQUESTS = 8_192
ROUNDS = 12
SECRET = "the secret of a benchmark, which is worth nothing to anybody"

_SERVE = """
import os, sys
from croupier.settings import Settings
from croupier_http.server import run
sys.exit(run(Settings.from_environment(os.environ)))
"""


class Generator:
    """The load generator's process, aimed at one server."""

    def __init__(self, port: int, server_pid: int, connections: int = 32) -> None:
        self._server = psutil.Process(server_pid)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.http_load"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        tokens = [make_token(SECRET, uid, "VIP", "user", 86_400) for uid in range(1, PLAYERS + 1)]
        self._tell(
            msgspec.json.encode(
                Load(port, PATH, '{"count":1,"banner":"standard"}', tokens, connections)
            ).decode()
        )
        self.seconds: list[float] = []
        self.cpu_seconds: list[float] = []
        _pin(server_pid, 0)
        _pin(self._process.pid, 1)

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def run(self) -> None:
        """One round."""
        assert self._process.stdout is not None
        before = self._server.cpu_times()
        self._tell(str(REQUESTS))
        result = msgspec.json.decode(self._process.stdout.readline(), type=Result)
        after = self._server.cpu_times()
        assert result.statuses == {"200": REQUESTS}
        self.seconds.append(result.seconds)
        self.cpu_seconds.append(after.user + after.system - before.user - before.system)

    @property
    def requests_per_s(self) -> float:
        return REQUESTS / statistics.median(self.seconds)

    @property
    def cpu_us(self) -> float:
        """CPU time of the server per request, in microseconds, over all rounds: its clock is a coarse one."""
        return sum(self.cpu_seconds) / len(self.cpu_seconds) / REQUESTS * 1e6

    def close(self) -> None:
        self._process.communicate()


def _pin(pid: int, core: int) -> None:
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) >= 2:
        psutil.Process(pid).cpu_affinity([cores[core]])


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
        with contextlib.closing(Generator(int(process.stdout.readline()), process.pid)) as generator:
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
        _pin(valkey.pid, 1)
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
            [sys.executable, "-c", _SERVE], env=os.environ | environment, stderr=subprocess.PIPE, text=True
        )
        assert process.stderr is not None
        try:
            events: dict[str, dict[str, Any]] = {}
            while "listening" not in events or "partition opened without Postgres" not in events:
                event = json.loads(process.stderr.readline())
                events[event["event"]] = event
            port = int(events["listening"]["url"].rpartition(":")[2])
            with contextlib.closing(Generator(port, events["worker started"]["worker_pid"])) as generator:
                yield generator
        finally:
            process.terminate()
            process.communicate()


@pytest.mark.benchmark(group=f"HTTP, one worker, 32 connections, rounds of {REQUESTS:,} requests")
def test_gacha_pull_beside_a_bare_route(benchmark: Any, worker: Generator, reference: Generator) -> None:
    worker.run()  # the players' first pulls, which need their seeds

    benchmark.pedantic(worker.run, setup=reference.run, rounds=ROUNDS, iterations=1, warmup_rounds=1)

    benchmark.extra_info |= {
        "requests_per_s": round(worker.requests_per_s),
        "reference_requests_per_s": round(reference.requests_per_s),
        "of_reference": round(worker.requests_per_s / reference.requests_per_s, 3),
        "cpu_us_per_request": round(worker.cpu_us, 1),
        "reference_cpu_us_per_request": round(reference.cpu_us, 1),
        "of_reference_by_cpu": round(reference.cpu_us / worker.cpu_us, 3),
    }
