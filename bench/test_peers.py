"""The pull beside the same pull as others do it, through the same HTTP stack, with one worker each.

Row locks in Postgres, in the application and in a function of the server, waiting for the disk as it should and not
waiting for it as Croupier's default does; WATCH and MULTI in Redis; several round trips to Redis without a script,
which is not correct under concurrency, and whose violations are counted. Many players in turn, who never pull twice at
a time, and one hot player who pulls over all connections at once.

Both sides run in turn. The applications have one core, where there are two; the generator has the other, shared with
Valkey. Postgres, which is several processes, may use both.
"""

import contextlib
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from redis import Redis

from bench.peers.peer import Audit, Counts, Setup
from bench.peers.serving import MANY, PULLS_A_DAY_MAX, Running, Side, disk_sync_us, running, write_economy
from bench.serving import PLAYERS, SECRET, Worker, one_worker, pin
from bench.target import OPEN_TO_ALL, unrestricted
from croupier_cli.embedded import Postgres, Valkey

ROUNDS = 8
OUR_PULLS_MANY = 2_048
OUR_PULLS_HOT = PULLS_A_DAY_MAX // (ROUNDS + 2)
POSTGRES = {"shared_buffers": "256MB", "max_wal_size": "2GB", "checkpoint_timeout": "30min"}


class Case(NamedTuple):
    """A peer, and how many pulls a round asks of it: what takes it some tenths of a second."""

    name: str
    peer: str
    many: int
    hot: int
    synchronous_commit: str = ""
    correct: bool = True


CASES = (
    Case("Postgres, row locks", "row_locks", 1_024, 128, "on"),
    Case("Postgres, row locks, not waiting for the disk", "row_locks", 1_024, 256, "off"),
    Case("Postgres, function", "function", 1_024, 128, "on"),
    Case("Postgres, function, not waiting for the disk", "function", 1_024, 512, "off"),
    Case("Redis, WATCH and MULTI", "watch", 1_024, 128),
    Case("Redis, round trips without a script", "round_trips", 1_024, 512, correct=False),
)

HOT = range(PLAYERS + 1, PLAYERS + 2)

_players = count(PLAYERS + 1)


def one_more_player() -> range:
    """One who has not pulled yet: what a player may pull in a day is enough for one benchmark only."""
    uid = next(_players)
    return range(uid, uid + 1)


class Ours(NamedTuple):
    """Croupier's worker and its Valkey."""

    worker: Worker
    valkey_pid: int

    def pulls(self, uids: range, per_round: int) -> Side:
        return Side(uids, self.worker.port, self.worker.pid, self.valkey_pid, per_round)


class Theirs(NamedTuple):
    """A peer's application and its database; `waits_for_disk_us` is what a write takes there until it is on disk."""

    app: Running
    database_pid: int
    waits_for_disk_us: float | None

    def pulls(self, uids: range, per_round: int) -> Side:
        return Side(uids, self.app.port, self.app.pid, self.database_pid, per_round)


@pytest.fixture(scope="module")
def economy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_economy(tmp_path_factory.mktemp("economy"))


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory, economy: Path) -> Iterator[Ours]:
    with one_worker(tmp_path_factory.mktemp("ours"), CROUPIER_ECONOMY=str(economy)) as worker:
        with contextlib.closing(Redis.from_url(worker.redis_url)) as redis:
            valkey_pid = redis.info("server")["process_id"]
        yield Ours(worker, valkey_pid)


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with Postgres.start(tmp_path_factory.mktemp("postgres"), settings=POSTGRES) as server:
        yield server


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    with Valkey.start(tmp_path_factory.mktemp("valkey"), extra=OPEN_TO_ALL) as server:
        server.url = unrestricted(server.url)
        pin(server.pid, 1)
        yield server


@pytest.fixture
def peer(case: Case, economy: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Theirs]:
    server = request.getfixturevalue("postgres" if case.synchronous_commit else "valkey")
    setup = Setup(case.peer, server.url, str(economy), SECRET, PLAYERS + 1, case.synchronous_commit or "on")
    with running(setup) as app:
        yield Theirs(app, server.pid, disk_sync_us(tmp_path) if case.synchronous_commit == "on" else None)


@pytest.mark.benchmark(group="the same pull, done as others do it: 1,024 players")
@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_pull_of_many_players_beside_ours(benchmark: Any, case: Case, ours: Ours, peer: Theirs) -> None:
    with (
        contextlib.closing(ours.pulls(MANY, OUR_PULLS_MANY)) as our_side,
        contextlib.closing(peer.pulls(MANY, case.many)) as their_side,
    ):
        compare(benchmark, our_side, their_side, peer, correct=case.correct)


@pytest.mark.benchmark(group="the same pull, done as others do it: one hot player")
@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_pull_of_one_hot_player_beside_ours(benchmark: Any, case: Case, ours: Ours, peer: Theirs) -> None:
    with (
        contextlib.closing(ours.pulls(one_more_player(), OUR_PULLS_HOT)) as our_side,
        contextlib.closing(peer.pulls(HOT, case.hot)) as their_side,
    ):
        compare(benchmark, our_side, their_side, peer, correct=case.correct)


@pytest.mark.benchmark(group="our pull of one hot player beside many")
def test_our_pull_of_one_hot_player_beside_many(benchmark: Any, ours: Ours) -> None:
    with (
        contextlib.closing(ours.pulls(MANY, OUR_PULLS_MANY)) as many,
        contextlib.closing(ours.pulls(one_more_player(), OUR_PULLS_HOT)) as hot,
    ):
        benchmark.pedantic(hot.run, setup=many.run, rounds=ROUNDS, iterations=1)
    benchmark.extra_info |= {
        "of_many": round(hot.per_s / many.per_s, 3),
        "of_many_by_cpu": round(many.cpu_us / hot.cpu_us, 3),
        "per_s": round(hot.per_s),
        "many_per_s": round(many.per_s),
    }


def compare(benchmark: Any, ours: Side, theirs: Side, peer: Theirs, *, correct: bool) -> None:
    """Measure a peer beside ours, and look whether what it stored is right."""
    benchmark.pedantic(theirs.run, setup=ours.run, rounds=ROUNDS, iterations=1)
    counts, found = peer.app.get("/stats", Counts), peer.app.get("/audit", Audit)

    benchmark.extra_info |= {
        "times_slower_than_ours": round(ours.per_s / theirs.per_s, 1),
        "times_our_cpu": round(theirs.cpu_us / ours.cpu_us, 1),
        "per_s": round(theirs.per_s),
        "our_per_s": round(ours.per_s),
        "cpu_us_per_pull": round(theirs.cpu_us),
        "our_cpu_us_per_pull": round(ours.cpu_us),
        "errors": counts.errors,
        "retries_per_pull": round(counts.retries / counts.pulls, 2),
        "draws_repeated": found.draws_repeated,
        "oversold": found.oversold,
        "pulls_audited": found.pulls,
    }
    if peer.waits_for_disk_us is not None:
        benchmark.extra_info["disk_sync_us"] = round(peer.waits_for_disk_us)
    assert counts.errors == 0
    assert found.pulls == counts.pulls
    assert found.balances_wrong == 0
    if correct:
        assert found == Audit(counts.pulls, balances_wrong=0, draws_repeated=0, oversold=0, stock_wrong=0)
