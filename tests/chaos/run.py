"""`make chaos`: a whole installation under load while faults are injected at random, and then every invariant.

    python -m tests.chaos.run --seed 7 --seconds 120

The seed is printed and fixes which faults come in which order, at what distance and of what size. Exit code 1 where an
invariant does not hold; the directory with data and logs is then kept.
"""

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import SystemRandom
from typing import Any, Final

import asyncpg

from croupier.transport import TransportError
from croupier_sync.rebuild import digest_of_mirror, digest_of_redis
from croupier_sync.server import Server
from croupier_sync.verification import verify
from tests.chaos import invariants
from tests.chaos.faults import Cut, Fault, Injector, schedule
from tests.chaos.load import Answer, Load, client
from tests.chaos.parts import Parts, running
from tests.sync.healed import casino_on, require_whole
from tests.sync.support import PARTITION, Casino

SECONDS: Final = 120.0
QUIET_S: Final = 2.0
RECOVERY_S: Final = 60.0
_POLL_S: Final = 0.05
_SHOWN_MAX: Final = 20

_HEALS = "SELECT cause, rebuilt, forked, missing, seconds FROM heals ORDER BY partition, epoch"


@dataclass
class Report:
    """What happened, and what should not have."""

    seed: int
    faults: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    cuts: list[Cut] = field(default_factory=list)
    heals: list[asyncpg.Record] = field(default_factory=list)
    keys: Counter[str] = field(default_factory=Counter)
    events: int = 0
    strict: int = 0
    lost: invariants.Lost = field(default_factory=lambda: invariants.Lost([]))
    recovered_s: float = 0.0
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        def counted(counts: Counter[Any]) -> str:
            return ", ".join(f"{name}: {count}" for name, count in sorted(counts.items())) or "none"

        took = sorted(heal["seconds"] for heal in self.heals if heal["seconds"] is not None)
        causes = Counter(f"{heal['cause']}{' (all keys)' * heal['rebuilt']}" for heal in self.heals)
        lines = [
            f"seed            {self.seed}",
            f"faults          {self.faults.total()}: {counted(self.faults)}",
            f"truncated       {len(self.cuts)} times, {sum(cut.bytes for cut in self.cuts):,} bytes",
            f"requests        {self.statuses.total()} by status (0: no answer): {counted(self.statuses)}",
            f"heals           {len(self.heals)}: {counted(causes)}; longest {took[-1] if took else 0:.3f} s",
            f"events          {self.events}",
            f"strict answers  {self.strict}, all to be in Postgres",
            f"lost            {len(self.lost.answers)} answers of fast mode in {len(self.lost.epochs)} tails, the "
            f"oldest {self.lost.oldest_s(self.cuts):.2f} s before its truncation",
            f"asked again     {counted(self.keys)}",
            f"recovered       {self.recovered_s:.1f} s after the last fault",
            f"seconds         {self.seconds:.1f}",
        ]
        lines += [f"PROBLEM         {problem}" for problem in self.problems[:_SHOWN_MAX]]
        if (more := len(self.problems) - _SHOWN_MAX) > 0:
            lines.append(f"PROBLEM         and {more} more")
        return "\n".join([*lines, f"{len(self.problems)} problems"])


def run(
    seed: int, seconds: float, directory: Path, say: Callable[[str], None] = lambda _line: None
) -> Report:
    """Play and break things for so long, then check. To be called in the main thread."""
    report, began_s = Report(seed), time.monotonic()
    with running(directory) as parts:
        asyncio.run(_until_follows(parts))
        injector, load = Injector(parts), Load(parts.port, seed)
        deadline_s = time.monotonic() + seconds
        with load.running():
            for fault in schedule(seed):
                if time.monotonic() + fault.pause_s >= deadline_s:
                    break
                time.sleep(fault.pause_s)
                say(_line(fault, began_s))
                injector.inject(fault)
            last_s = time.monotonic()
            asyncio.run(_until_follows(parts))
            report.recovered_s = time.monotonic() - last_s
        report.faults, report.cuts = injector.done, injector.cuts
        report.statuses.update(answer.status for answer in load.answers)
        asyncio.run(_check(parts, load.answers, report))
        parts.require_running()
    report.seconds = time.monotonic() - began_s
    return report


def _line(fault: Fault, began_s: float) -> str:
    return (
        f"{time.monotonic() - began_s:7.2f} s  {fault.kind} (size {fault.size:.3f}, which {fault.which:.3f})"
    )


async def _until_follows(parts: Parts) -> None:
    """Return when pulls succeed and the daemon follows. Fails after `RECOVERY_S`."""
    async with asyncio.timeout(RECOVERY_S):
        while True:
            try:
                async with casino_on(parts.valkey, parts.postgres.url) as casino:
                    head = await casino.head()
                    state = await casino.connection.fetchval("SELECT state FROM partitions")
                    if (
                        head is not None
                        and head.fence
                        and head.economy
                        and head.identity == str(casino.transport.identity)
                        and state == "following"
                    ):
                        return
            except (OSError, TransportError, asyncpg.PostgresError, asyncpg.InterfaceError):
                pass
            await asyncio.sleep(_POLL_S)


async def _until_quiet(casino: Casino) -> None:
    """Return when no open bet is left to be settled, and Postgres has had everything for a while."""
    async with asyncio.timeout(RECOVERY_S):
        since_s, last = time.monotonic(), None
        while time.monotonic() - since_s < QUIET_S:
            await asyncio.sleep(_POLL_S)
            now = await casino.last_entry()
            if now != last or now != await casino.cursor():
                since_s, last = time.monotonic(), now


async def _check(parts: Parts, answers: Sequence[Answer], report: Report) -> None:
    async with casino_on(parts.valkey, parts.postgres.url) as casino:
        await _until_quiet(casino)
        connection = casino.connection
        log = await invariants.read_log(connection)
        report.events, problems = len(log), report.problems
        report.strict = sum(answer.strict for answer in invariants.with_events(answers))
        problems += invariants.strict_held(log, answers)
        report.lost, found = invariants.lost_tails(log, answers, report.cuts)
        problems += found + invariants.in_order(answers)
        async with client(f"http://127.0.0.1:{parts.port}") as asking:
            report.keys, found = await invariants.asked_again(log, answers, asking)
        problems += found
        await _until_quiet(casino)
        log = await invariants.read_log(connection)
        problems += invariants.gapless(log) + invariants.once_per_key(log)
        problems += await _same_everywhere(casino)
        report.heals = await connection.fetch(_HEALS)


async def _same_everywhere(casino: Casino) -> list[str]:
    """Redis is the mirror is the fold of all events; and the verification of the whole log finds nothing."""
    found, server = [], Server(casino.transport)
    mirror, redis = (
        await digest_of_mirror(casino.connection, PARTITION),
        await digest_of_redis(server, PARTITION),
    )
    if mirror != redis:
        found.append(f"the digest of Redis is {redis}, and that of the mirror {mirror}")
    try:
        await require_whole(casino)
    except AssertionError as error:
        found.append(f"Redis, mirror and the fold of all events differ: {str(error)[:500]}")
    verdict = await verify(casino.connection, server)
    found += [str(problem) for problem in verdict.problems]
    if verdict.redis != "equal":
        found.append(f"Redis compared with the mirror: {verdict.redis}")
    if verdict.dead_letters:
        found.append(f"{verdict.dead_letters} dead letters")
    return found


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Faults at random under load, then every invariant.")
    parser.add_argument(
        "--seed", type=int, default=None, help="of the schedule of faults; by default a new one"
    )
    parser.add_argument("--seconds", type=float, default=SECONDS, help="how long faults are injected")
    arguments = parser.parse_args()
    seed = SystemRandom().randrange(10**6) if arguments.seed is None else arguments.seed
    print(f"make chaos SEED={seed} SECONDS={arguments.seconds:g}", flush=True)
    directory = Path(tempfile.mkdtemp(prefix="chaos-"))
    directory.chmod(0o755)  # Postgres may run as another user
    report = run(seed, arguments.seconds, directory, lambda line: print(line, flush=True))
    print(report)
    if report.problems:
        print(f"data and logs: {directory}")
        return 1
    shutil.rmtree(directory, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
