"""One worker as `croupier serve` starts it, and load generators aimed at it, each process on a core of its own."""

import json
import os
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import psutil
from msgspec.structs import replace

from bench.http_load import Load, Result
from bench.http_reference import PATH
from bench.target import Target
from croupier.economy import canonical, load_economy
from croupier.fairness.seeds import MasterKeys
from croupier_cli.embedded import Valkey
from croupier_http.auth import make_token
from croupier_schemas.economy import BALANCE_MAX, DailyLimit, GamesRate, Rate

PLAYERS = 1_024
REQUESTS = 8_192
_READY_S = 30.0
_CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
SECRET = "the secret of a benchmark, which is worth nothing to anybody"

_SERVE = """
import os, sys
from croupier.settings import Settings
from croupier_http.server import run
sys.exit(run(Settings.from_environment(os.environ)))
"""


class Worker(NamedTuple):
    """A worker that listens."""

    port: int
    pid: int
    redis_url: str
    master_keys: str


def tokens(count: int) -> list[str]:
    """One token per player, from 1."""
    return [make_token(SECRET, uid, "VIP", "user", 86_400) for uid in range(1, count + 1)]


def pin(pid: int | None, core: int) -> None:
    """Keep a process on one core, where there are two. None is a process that is not ours."""
    if pid is not None and len(_CORES) >= 2:
        psutil.Process(pid).cpu_affinity([_CORES[core]])


class Generator:
    """A load generator's process, `python -m module`, aimed at one server. Both have a core of their own, if pinned."""

    def __init__(
        self, module: str, load: msgspec.Struct, server_pid: int, per_round: int, *, pinned: bool = True
    ) -> None:
        self._server = psutil.Process(server_pid)
        self._per_round = per_round
        self._process = subprocess.Popen(
            [sys.executable, "-m", module], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._tell(msgspec.json.encode(load).decode())
        self.seconds: list[float] = []
        self.cpu_seconds: list[float] = []
        if pinned:
            pin(server_pid, 0)
            pin(self._process.pid, 1)

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def run(self) -> None:
        """One round."""
        assert self._process.stdout is not None
        before = self._server.cpu_times()
        self._tell(str(self._per_round))
        result = msgspec.json.decode(self._process.stdout.readline(), type=Result)
        after = self._server.cpu_times()
        assert result.statuses == {"200": self._per_round}
        self.seconds.append(result.seconds)
        self.cpu_seconds.append(after.user + after.system - before.user - before.system)

    def warm_up(self) -> None:
        """A round that does not count: the players' first pulls, which need their seeds."""
        self.run()
        self.seconds.clear()
        self.cpu_seconds.clear()

    @property
    def per_s(self) -> float:
        """Of the median round."""
        return self._per_round / statistics.median(self.seconds)

    @property
    def cpu_us(self) -> float:
        """CPU time of the server per request, in microseconds, over all rounds: its clock is a coarse one."""
        return sum(self.cpu_seconds) / len(self.cpu_seconds) / self._per_round * 1e6

    def close(self) -> None:
        self._process.communicate()


def pulls(port: int, server_pid: int, connections: int = 32, *, pinned: bool = True) -> Generator:
    """A generator of pulls over HTTP, or of what the reference answers in their place, in rounds of `REQUESTS`."""
    load = Load(port, PATH, '{"count":1,"banner":"standard"}', tokens(PLAYERS), connections)
    return Generator("bench.http_load", load, server_pid, REQUESTS, pinned=pinned)


@contextmanager
def one_worker(directory: Path, **environment: str) -> Iterator[Worker]:
    """One worker without Postgres on a Valkey of its own, whose players run out of nothing."""
    with (
        Valkey.start(directory / "valkey") as valkey,
        serving(Target(valkey.url, valkey.pid), directory, 1, **environment) as worker,
    ):
        pin(valkey.pid, 1)
        yield worker


@contextmanager
def serving(redis: Target, directory: Path, workers: int, **environment: str) -> Iterator[Worker]:
    """So many workers without Postgres on this Redis, whose players run out of nothing.

    Several of these may serve one Redis, if CROUPIER_MASTER_KEYS is the same for all.
    """
    variables = {
        "REDIS_URL": redis.url,
        "DATABASE_URL": "",
        "JWT_SECRET_KEY": SECRET,
        "CROUPIER_MASTER_KEYS": MasterKeys.generate(),
        "CROUPIER_ECONOMY": str(_economy_file(directory)),
        "CROUPIER_HTTP_PORT": "0",
        "CROUPIER_WORKERS": str(workers),
    } | environment
    process = subprocess.Popen(
        [sys.executable, "-c", _SERVE], env=os.environ | variables, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    try:
        events: dict[str, dict[str, Any]] = {}
        while "listening" not in events:
            line = process.stderr.readline()
            if not line.startswith("{"):
                raise RuntimeError(f"the server did not start: {line}")
            event = json.loads(line)
            events[event["event"]] = event
        port = int(events["listening"]["url"].rpartition(":")[2])
        until_ready(port)
        yield Worker(
            port, events["worker started"]["worker_pid"], redis.url, variables["CROUPIER_MASTER_KEYS"]
        )
    finally:
        process.terminate()
        process.communicate()


def _economy_file(directory: Path) -> Path:
    """An economy in which nobody runs out of anything."""
    limit = DailyLimit(STANDARD=10_000, PREMIUM=10_000, VIP=10_000)
    economy = load_economy()
    gacha, often = replace(economy.gacha, daily_limit=limit), Rate(per_second=600, per_minute=600)
    rates = replace(economy.rate_limit, mode="shadow", games=GamesRate(VIP=often))
    file = directory / "economy.json"
    file.write_bytes(canonical(replace(economy, initial_tokens=BALANCE_MAX, gacha=gacha, rate_limit=rates)))
    return file


def until_ready(port: int) -> None:
    """Wait until a pull would succeed."""
    give_up_at = time.monotonic() + _READY_S
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=_READY_S):
                return
        except OSError:
            if time.monotonic() > give_up_at:
                raise
        time.sleep(0.05)
