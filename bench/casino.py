"""A whole casino for benchmarks of durability: Valkey, a Postgres that waits for its disk, and the sync daemon."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
from msgspec.structs import replace

from bench.target import OPEN_TO_ALL
from croupier.economy import canonical, load_economy
from croupier.fairness.seeds import MasterKeys
from croupier_cli.embedded import Postgres, Valkey
from croupier_schemas.economy import BALANCE_MAX, DailyLimit
from croupier_sync.migrations import migrate

_SYNC = """
import asyncio, os, signal
import uvloop
from croupier.settings import Settings
from croupier_sync.main import run
async def main():
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await run(Settings.from_environment(os.environ), stop)
uvloop.run(main())
"""
_SERVE = """
import os, sys
from croupier.settings import Settings
from croupier_http.server import run
sys.exit(run(Settings.from_environment(os.environ)))
"""
SECRET = "the secret of a benchmark, which is worth nothing to anybody"


@dataclass
class BenchCasino:
    """The servers, and the environment in which their clients run."""

    valkey: Valkey
    postgres: Postgres
    environment: dict[str, str]

    @contextlib.contextmanager
    def daemon(self) -> Iterator[None]:
        """`croupier sync` in a process of its own."""
        process = subprocess.Popen([sys.executable, "-c", _SYNC], env=os.environ | self.environment)
        try:
            yield
        finally:
            process.terminate()
            process.wait()

    @contextlib.contextmanager
    def worker(self, durability: str = "redis") -> Iterator[tuple[int, int]]:
        """`croupier serve` with one worker: its port and its process."""
        process = subprocess.Popen(
            [sys.executable, "-c", _SERVE],
            env={
                **os.environ,
                **self.environment,
                "CROUPIER_HTTP_PORT": "0",
                "CROUPIER_WORKERS": "1",
                "CROUPIER_DURABILITY": durability,
            },
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        try:
            events: dict[str, dict[str, Any]] = {}
            while "listening" not in events or "worker started" not in events:
                event = json.loads(process.stderr.readline())
                events[event["event"]] = event
            yield int(events["listening"]["url"].rpartition(":")[2]), events["worker started"]["worker_pid"]
        finally:
            process.terminate()
            process.communicate()

    @contextlib.contextmanager
    def players(self) -> Iterator["Players"]:
        """A process of players. A daemon must have opened the partition, or be about to."""
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.players"],
            env=os.environ | self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            yield Players(process)
        finally:
            process.communicate()


class Players:
    """The process of `bench.players`."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def play(self, calls: int, durability: str, callers: int = 64) -> float:
        """Seconds that this many pulls took."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        asked = {"calls": calls, "durability": durability, "callers": callers}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())


@contextlib.contextmanager
def casino(directory: Path) -> Iterator[BenchCasino]:
    """Servers in this directory, with an economy in which nobody runs out of anything. No daemon runs yet."""
    limit = DailyLimit(STANDARD=10_000, PREMIUM=10_000, VIP=10_000)
    economy = load_economy()
    economy = replace(
        economy,
        initial_tokens=BALANCE_MAX,
        gacha=replace(economy.gacha, daily_limit=limit),
        rate_limit=replace(economy.rate_limit, mode="shadow"),
    )
    file = directory / "economy.json"
    file.write_bytes(canonical(economy))
    with (
        Valkey.start(directory / "valkey", extra=OPEN_TO_ALL) as valkey,
        Postgres.start(directory / "postgres") as postgres,
    ):
        asyncio.run(_migrate(postgres.url))
        environment = {
            "REDIS_URL": valkey.url,
            "DATABASE_URL": postgres.url,
            "CROUPIER_MASTER_KEYS": MasterKeys.generate(),
            "CROUPIER_ECONOMY": str(file),
            "JWT_SECRET_KEY": SECRET,
        }
        yield BenchCasino(valkey, postgres, environment)


async def _migrate(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    await migrate(connection)
    await connection.close()
