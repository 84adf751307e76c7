"""What is done to the parts, and when: a schedule that follows from a seed alone."""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Final, NamedTuple

import psutil

from tests.chaos.parts import DAEMONS, Parts

BETWEEN_S: Final = (0.5, 1.4)
"""From the end of one fault to the beginning of the next one, at least and at most."""
STOPPED_S: Final = (0.2, 1.6)


class Fault(NamedTuple):
    """Of this kind, `pause_s` after the one before. `size` and `which`, from 0 to 1, say how much and whom."""

    pause_s: float
    kind: str
    size: float
    which: float

    @property
    def stopped_s(self) -> float:
        """How long something is stopped."""
        shortest, longest = STOPPED_S
        return shortest + self.size * (longest - shortest)


class Cut(NamedTuple):
    """A truncation of the log of writes: when Valkey was killed, on the clock of the load, and bytes cut."""

    at_s: float
    bytes: int


@dataclass
class Injector:
    """Does the faults to the parts."""

    parts: Parts
    done: Counter[str] = field(default_factory=Counter)
    cuts: list[Cut] = field(default_factory=list)

    def inject(self, fault: Fault) -> None:
        """Do it, and what undoes it: everything runs afterwards, though perhaps it is not ready yet."""
        KINDS[fault.kind](self, fault)
        self.done[fault.kind] += 1
        self.parts.require_running()

    def valkey_killed(self, _fault: Fault) -> None:
        self.parts.valkey.kill()
        self.parts.start_valkey()

    def valkey_restarted(self, _fault: Fault) -> None:
        self.parts.valkey.stop()
        self.parts.start_valkey()

    def valkey_stopped(self, fault: Fault) -> None:
        with _stopped(self.parts.valkey.pid):
            time.sleep(fault.stopped_s)

    def valkey_lost_tail(self, fault: Fault) -> None:
        """What was written while no daemon followed is gone, or part of it."""
        with _stopped(*(daemon.pid for daemon in self.parts.daemons)):
            log = self.parts.log_of_writes()
            before = log.stat().st_size
            time.sleep(fault.stopped_s)
            self._cut_from(before, fault)
            self.parts.start_valkey()

    def valkey_cut_anywhere(self, fault: Fault) -> None:
        """The log of writes is as it was at any earlier time, which may be before its first entry."""
        self._cut_from(0, fault)
        self.parts.start_valkey()

    def _cut_from(self, earliest: int, fault: Fault) -> None:
        self.parts.valkey.kill()
        at_s = time.monotonic()
        log = self.parts.log_of_writes()
        size = log.stat().st_size
        length = earliest + int(fault.which * max(0, size - earliest))
        os.truncate(log, length)
        self.cuts.append(Cut(at_s, size - length))

    def postgres_killed(self, _fault: Fault) -> None:
        self.parts.postgres.kill()
        self.parts.start_postgres()

    def postgres_restarted(self, _fault: Fault) -> None:
        self.parts.postgres.stop()
        self.parts.start_postgres()

    def daemon_killed(self, fault: Fault) -> None:
        self.parts.restart_daemon(int(fault.which * DAEMONS))

    def daemon_stopped(self, fault: Fault) -> None:
        with _stopped(self.parts.daemons[int(fault.which * DAEMONS)].pid):
            time.sleep(fault.stopped_s)

    def worker_killed(self, fault: Fault) -> None:
        if workers := self.parts.workers():
            workers[int(fault.which * len(workers))].kill()

    def worker_stopped(self, fault: Fault) -> None:
        if workers := self.parts.workers():
            with _stopped(workers[int(fault.which * len(workers))].pid):
                time.sleep(fault.stopped_s)


KINDS: Final[dict[str, Callable[[Injector, Fault], None]]] = {
    "valkey killed": Injector.valkey_killed,
    "valkey restarted": Injector.valkey_restarted,
    "valkey stopped": Injector.valkey_stopped,
    "valkey lost its tail": Injector.valkey_lost_tail,
    "valkey cut anywhere": Injector.valkey_cut_anywhere,
    "postgres killed": Injector.postgres_killed,
    "postgres restarted": Injector.postgres_restarted,
    "daemon killed": Injector.daemon_killed,
    "daemon stopped": Injector.daemon_stopped,
    "worker killed": Injector.worker_killed,
    "worker stopped": Injector.worker_stopped,
}


def schedule(seed: int) -> Iterator[Fault]:
    """Faults without end, of every kind in turn, each turn in another order. The same for the same seed."""
    rng = Random(f"faults {seed}")
    while True:
        for kind in rng.sample(sorted(KINDS), len(KINDS)):
            yield Fault(rng.uniform(*BETWEEN_S), kind, rng.random(), rng.random())


@contextmanager
def _stopped(*pids: int) -> Iterator[None]:
    """SIGSTOP, and SIGCONT at the end of the block."""
    processes = [psutil.Process(pid) for pid in pids]
    for process in processes:
        process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            process.send_signal(signal.SIGCONT)
