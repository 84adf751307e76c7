"""Starts the peers and Croupier's worker with one economy, and generators that pull from them."""

import contextlib
import os
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec
import psutil
from msgspec.structs import replace

from bench.http_load import Load
from bench.http_reference import PATH
from bench.peers.peer import Setup
from bench.peers.rules import BANNER
from bench.serving import PLAYERS, SECRET, Generator
from croupier.economy import canonical, load_economy
from croupier_http.auth import make_token
from croupier_schemas.economy import (
    BALANCE_MAX,
    DailyLimit,
    GamesRate,
    PityRule,
    RarityPity,
    RarityStock,
    Rate,
)

CONNECTIONS = 32
MANY = range(1, PLAYERS + 1)
PULLS_A_DAY_MAX = 10_000
"""Most that an economy lets one player pull in a day, and so all that a hot player can do in a benchmark."""

_LEGENDARIES, _EPICS = 20, 1_000_000_000
_SYNCS = 64
_T = TypeVar("_T")


def write_economy(directory: Path) -> Path:
    """The economy of all sides: the standard banner, with pity, and with a stock that is soon gone of Legendaries.

    About one pull in eight draws a rarity with limited stock. Too many calls are marked, but not refused: the hot
    player is faster than any limit that an economy may set.
    """
    economy = load_economy()
    banner = replace(
        economy.gacha.banners[BANNER],
        stock=RarityStock(Legendary=_LEGENDARIES, Epic=_EPICS),
        pity=RarityPity(Epic=PityRule(hard=10)),
    )
    gacha = replace(
        economy.gacha,
        daily_limit=DailyLimit(STANDARD=0, PREMIUM=0, VIP=PULLS_A_DAY_MAX),
        banners={**economy.gacha.banners, BANNER: banner},
    )
    rates = replace(
        economy.rate_limit, mode="shadow", games=GamesRate(VIP=Rate(per_second=600, per_minute=600))
    )
    file = directory / "peers.json"
    file.write_bytes(canonical(replace(economy, initial_tokens=BALANCE_MAX, gacha=gacha, rate_limit=rates)))
    return file


class Running(NamedTuple):
    """A peer that listens."""

    port: int
    pid: int

    def get(self, path: str, kind: type[_T]) -> _T:
        """What it answers there."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}") as response:
            return msgspec.json.decode(response.read(), type=kind)


@contextlib.contextmanager
def running(setup: Setup) -> Iterator[Running]:
    """A peer in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.peers.app"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(msgspec.json.encode(setup).decode() + "\n")
        process.stdin.flush()
        yield Running(int(process.stdout.readline()), process.pid)
    finally:
        process.communicate()


class Side:
    """One of two that are compared: a generator of pulls by these players in turn, and what they cost its servers."""

    def __init__(self, uids: range, port: int, pid: int, database_pid: int, per_round: int) -> None:
        self._servers = [psutil.Process(each) for each in (pid, database_pid)]
        self._per_round = per_round
        self._cpu_seconds: list[float] = []
        tokens = [make_token(SECRET, uid, "VIP", "user", 86_400) for uid in uids]
        load = Load(port, PATH, f'{{"count":1,"banner":"{BANNER}"}}', tokens, CONNECTIONS)
        self._generator = Generator("bench.http_load", load, pid, per_round)
        self._generator.warm_up()

    def run(self) -> None:
        """One round. All replies must be 200."""
        before = self._servers_cpu_s()
        self._generator.run()
        self._cpu_seconds.append(self._servers_cpu_s() - before)

    def _servers_cpu_s(self) -> float:
        """CPU time since they began, of all their processes."""
        processes = [each for server in self._servers for each in (server, *server.children(recursive=True))]
        times = [process.cpu_times() for process in processes]
        return sum(each.user + each.system for each in times)

    @property
    def per_s(self) -> float:
        """Pulls of the median round."""
        return self._generator.per_s

    @property
    def cpu_us(self) -> float:
        """CPU time per pull, of application and database together, in microseconds, over all rounds."""
        return sum(self._cpu_seconds) / len(self._cpu_seconds) / self._per_round * 1e6

    def close(self) -> None:
        self._generator.close()


def disk_sync_us(directory: Path) -> float:
    """What it takes to append 8 KiB to a file and wait for the disk, in microseconds: no transaction can wait less."""
    seconds = []
    with (directory / "sync").open("wb", buffering=0) as file:
        for _ in range(_SYNCS):
            started = time.perf_counter()
            file.write(b"x" * 8_192)
            os.fdatasync(file.fileno())
            seconds.append(time.perf_counter() - started)
    return statistics.median(seconds) * 1e6
