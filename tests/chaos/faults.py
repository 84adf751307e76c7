"""What is done to the parts, and when: a schedule that follows from a seed alone."""

import math
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Final, NamedTuple

import psutil

from tests.chaos.parts import DAEMONS, EVENT_TABLES, PROJECTED_TABLES, Parts
from tests.chaos.servers import truncate

BETWEEN_S: Final = (0.3, 1.1)
"""From the end of one fault to the beginning of the next one, at least and at most."""
STOPPED_S: Final = (0.2, 1.6)
DELAY_S: Final = (0.02, 0.3)
LONG_RUN_S: Final = 120.0
"""Runs of this length have faults as well that take long."""
LONG_STOP_S: Final = 30.0
UNSYNCED_S: Final = 2.5
"""Valkey holds back what it appends for up to 2 s where the disk is slow, and a kill -9 takes that along."""
UNTIL_CLOSED_S: Final = 30.0
"""Within that time after a return to an older server the daemon has found out, and the partition is closed there."""


class Fault(NamedTuple):
    """Of this kind, `pause_s` after the one before. `size` and `which`, from 0 to 1, say how much and whom."""

    pause_s: float
    kind: str
    size: float
    which: float

    @property
    def stopped_s(self) -> float:
        """How long something is stopped."""
        return _between(STOPPED_S, self.size)

    @property
    def delay_s(self) -> float:
        """By how much something is slowed down."""
        return _between(DELAY_S, self.which)


class Done(NamedTuple):
    """A fault that was injected, from when to when, monotonic."""

    kind: str
    began_s: float
    ended_s: float


class Loss(NamedTuple):
    """Of what was answered in fast mode from `since_s` to `until_s` (monotonic) the last part may be gone.

    The server or the part of its log was gone at `at_s`.
    """

    kind: str
    since_s: float
    at_s: float
    until_s: float


@dataclass
class Injector:
    """Does the faults to the parts."""

    parts: Parts
    done: list[Done] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)
    bytes_cut: int = 0
    _stopped_long: dict[int, float] = field(default_factory=dict)

    def inject(self, fault: Fault) -> None:
        """Do it, and what undoes it: everything runs afterwards, though perhaps it is not ready yet."""
        self.resume()
        began_s = time.monotonic()
        KINDS[fault.kind](self, fault)
        self.done.append(Done(fault.kind, began_s, time.monotonic()))
        self.parts.require_running()

    def counted(self) -> Counter[str]:
        """How many of each kind."""
        return Counter(each.kind for each in self.done)

    def resume(self, *, at_once: bool = False) -> None:
        """Let what was stopped for long go on, if its time is over."""
        for number, until_s in list(self._stopped_long.items()):
            if at_once or time.monotonic() >= until_s:
                del self._stopped_long[number]
                _signal(signal.SIGCONT, self.parts.daemons[number].pid)

    def _lost(self, kind: str, since_s: float, until_s: float | None = None) -> None:
        at_s = time.monotonic()
        self.losses.append(Loss(kind, since_s, at_s, at_s if until_s is None else until_s))

    # Valkey.

    def valkey_killed(self, fault: Fault) -> None:
        valkeys = self.parts.valkeys
        valkeys.serving.kill()
        self._lost(fault.kind, time.monotonic() - UNSYNCED_S)
        valkeys.start_serving()

    def valkey_restarted(self, _fault: Fault) -> None:
        self.parts.valkeys.serving.stop()
        self.parts.valkeys.start_serving()

    def valkey_stopped(self, fault: Fault) -> None:
        with _stopped(self.parts.valkeys.serving.pid):
            time.sleep(fault.stopped_s)

    def valkey_lost_tail(self, fault: Fault) -> None:
        """What was written while no daemon followed is gone, or part of it."""
        with self._daemons_stopped(*range(DAEMONS)):
            since_s, log = time.monotonic(), self.parts.valkeys.log_of_writes()
            before = log.stat().st_size
            time.sleep(fault.stopped_s)
            self.parts.valkeys.serving.kill()
            self._lost(fault.kind, since_s - UNSYNCED_S)
            self.bytes_cut += truncate(log, before, fault.which)
            self.parts.valkeys.start_serving()

    def valkey_cut_anywhere(self, fault: Fault) -> None:
        """The log of writes is as it was at any earlier time, which may be before its first entry."""
        self.parts.valkeys.serving.kill()
        self._lost(fault.kind, -math.inf)
        self.bytes_cut += truncate(self.parts.valkeys.log_of_writes(), 0, fault.which)
        self.parts.valkeys.start_serving()

    def valkey_failed_over(self, fault: Fault) -> None:
        """The server is gone, and its replica, which lagged, takes over."""
        valkeys = self.parts.valkeys
        with self._replica_lagging(fault, followed=fault.which < 0.5) as since_s:
            valkeys.serving.kill()
            self._lost(fault.kind, since_s)
            valkeys.swap()
        valkeys.start_other()

    def valkey_demoted(self, fault: Fault) -> None:
        """A replica that lagged takes over, and the server follows it, with its connections still open."""
        valkeys = self.parts.valkeys
        with self._replica_lagging(fault, followed=fault.which < 0.5) as since_s:
            valkeys.swap()
            valkeys.demote_other()
            self._lost(fault.kind, since_s)

    def valkey_back_and_forth(self, fault: Fault) -> None:
        """A replica that lagged takes over and is played on; then the first one is back, which ran all the while."""
        valkeys = self.parts.valkeys
        with self._replica_lagging(fault, followed=False) as since_s:
            valkeys.swap()
            self.parts.to_valkey.cut()
            self._lost(fault.kind, since_s)
        left_s = time.monotonic()
        time.sleep(2 * fault.size)
        valkeys.swap()
        self.parts.to_valkey.cut()
        self._lost(fault.kind, left_s, time.monotonic() + UNTIL_CLOSED_S)
        valkeys.demote_other()

    @contextmanager
    def _replica_lagging(self, fault: Fault, *, followed: bool) -> Iterator[float]:
        """The replica has what was written before the time that is given, and then nothing new for a while.

        Unless it is followed, no daemon works meanwhile, and nobody has what the replica misses. The block is to end
        the lag.
        """
        with self._daemons_stopped(*(() if followed else range(DAEMONS))):
            since_s = self.parts.valkeys.wait_for_replica()
            self.parts.valkeys.promote_replica()
            time.sleep(fault.stopped_s)
            yield since_s

    def valkey_slow(self, fault: Fault) -> None:
        with self.parts.to_valkey.slow(fault.delay_s):
            time.sleep(fault.stopped_s)

    def valkey_cut_off(self, fault: Fault) -> None:
        """Commands are carried out, their replies never come, and every connection breaks."""
        with self.parts.to_valkey.replies_lost():
            time.sleep(fault.delay_s)

    # Postgres.

    def postgres_killed(self, _fault: Fault) -> None:
        self.parts.postgres.kill()
        self.parts.start_postgres()

    def postgres_restarted(self, _fault: Fault) -> None:
        self.parts.postgres.stop()
        self.parts.start_postgres()

    def postgres_stopped(self, fault: Fault) -> None:
        with _stopped(*self.parts.postgres_processes()):
            time.sleep(fault.stopped_s)

    def postgres_slow(self, fault: Fault) -> None:
        with self.parts.to_postgres.slow(fault.delay_s):
            time.sleep(fault.stopped_s)

    def postgres_cut_off(self, fault: Fault) -> None:
        """Statements are carried out, also commits, their replies never come, and every connection breaks."""
        with self.parts.to_postgres.replies_lost():
            time.sleep(fault.delay_s)

    def postgres_full(self, fault: Fault) -> None:
        """There is no space for events, or only none for what is projected from them."""
        with self.parts.disk_full(EVENT_TABLES if fault.which < 0.5 else PROJECTED_TABLES):
            time.sleep(fault.stopped_s)

    # Daemons and workers.

    def daemon_killed(self, fault: Fault) -> None:
        number = int(fault.which * DAEMONS)
        self._stopped_long.pop(number, None)
        self.parts.restart_daemon(number)

    def daemon_stopped(self, fault: Fault) -> None:
        with self._daemons_stopped(int(fault.which * DAEMONS)):
            time.sleep(fault.stopped_s)

    def daemon_stopped_long(self, fault: Fault) -> None:
        """It stays away while other faults happen; the other daemon is to take over."""
        self.resume(at_once=True)  # never both
        number = int(fault.which * DAEMONS)
        _signal(signal.SIGSTOP, self.parts.daemons[number].pid)
        self._stopped_long[number] = time.monotonic() + LONG_STOP_S

    @contextmanager
    def _daemons_stopped(self, *numbers: int) -> Iterator[None]:
        """While the block runs; those that are stopped for long stay so."""
        running = (self.parts.daemons[each].pid for each in numbers if each not in self._stopped_long)
        with _stopped(*running):
            yield

    def worker_killed(self, fault: Fault) -> None:
        for worker in self._chosen_worker(fault):
            worker.kill()

    def worker_stopped(self, fault: Fault) -> None:
        with _stopped(*(worker.pid for worker in self._chosen_worker(fault))):
            time.sleep(fault.stopped_s)

    def worker_restarted(self, fault: Fault) -> None:
        """It finishes what it has begun, and another one follows."""
        for worker in self._chosen_worker(fault):
            worker.terminate()

    def _chosen_worker(self, fault: Fault) -> list[psutil.Process]:
        """One of those that run, if any does."""
        workers = self.parts.workers()
        return workers[int(fault.which * len(workers)) :][:1]


KINDS: Final[dict[str, Callable[[Injector, Fault], None]]] = {
    "valkey killed": Injector.valkey_killed,
    "valkey restarted": Injector.valkey_restarted,
    "valkey stopped": Injector.valkey_stopped,
    "valkey slow": Injector.valkey_slow,
    "valkey cut off": Injector.valkey_cut_off,
    "valkey lost its tail": Injector.valkey_lost_tail,
    "valkey cut anywhere": Injector.valkey_cut_anywhere,
    "valkey failed over": Injector.valkey_failed_over,
    "valkey demoted": Injector.valkey_demoted,
    "valkey back and forth": Injector.valkey_back_and_forth,
    "postgres killed": Injector.postgres_killed,
    "postgres restarted": Injector.postgres_restarted,
    "postgres stopped": Injector.postgres_stopped,
    "postgres slow": Injector.postgres_slow,
    "postgres cut off": Injector.postgres_cut_off,
    "postgres full": Injector.postgres_full,
    "daemon killed": Injector.daemon_killed,
    "daemon stopped": Injector.daemon_stopped,
    "daemon stopped for long": Injector.daemon_stopped_long,
    "worker killed": Injector.worker_killed,
    "worker stopped": Injector.worker_stopped,
    "worker restarted": Injector.worker_restarted,
}
LONG_KINDS: Final = frozenset({"daemon stopped for long"})


def kinds(seconds: float) -> list[str]:
    """The kinds of faults in a run of this length."""
    return sorted(kind for kind in KINDS if seconds >= LONG_RUN_S or kind not in LONG_KINDS)


def schedule(seed: int, seconds: float) -> Iterator[Fault]:
    """Faults without end, of every kind in turn, each turn in another order. The same for the same seed and length."""
    rng, chosen = Random(f"faults {seed}"), kinds(seconds)
    while True:
        for kind in rng.sample(chosen, len(chosen)):
            yield Fault(rng.uniform(*BETWEEN_S), kind, rng.random(), rng.random())


def _between(bounds: tuple[float, float], share: float) -> float:
    least, most = bounds
    return least + share * (most - least)


def _signal(number: signal.Signals, *pids: int) -> None:
    for pid in pids:
        try:
            psutil.Process(pid).send_signal(number)
        except psutil.NoSuchProcess:
            continue  # it has ended by itself, or was replaced meanwhile


@contextmanager
def _stopped(*pids: int) -> Iterator[None]:
    """SIGSTOP, and SIGCONT at the end of the block."""
    _signal(signal.SIGSTOP, *pids)
    try:
        yield
    finally:
        _signal(signal.SIGCONT, *pids)
