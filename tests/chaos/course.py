"""A whole installation under load while faults are injected at random, and then every invariant."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import asyncpg

from croupier.transport import TransportError
from croupier_schemas import keys
from croupier_schemas.events import Event
from croupier_sync.installation import read_installation
from croupier_sync.rebuild import digest_of_mirror, digest_of_redis
from croupier_sync.server import Server
from croupier_sync.verification import verify
from tests.chaos import attempts, invariants
from tests.chaos.faults import Fault, Injector, schedule
from tests.chaos.load import Answer, Load, client
from tests.chaos.parts import Parts, running
from tests.chaos.replay import Replay, same_replies, same_settlements
from tests.chaos.report import Report, first_answers, longest_outage
from tests.sync.healed import casino_on, require_whole
from tests.sync.support import PARTITION, Casino

QUIET_S: Final = 0.5
RECOVERY_S: Final = 60.0
_POLL_S: Final = 0.05

_HEALS = "SELECT cause, rebuilt, forked, missing, seconds FROM heals ORDER BY partition, epoch"

Say = Callable[[float, Fault], None]
"""Told of each fault, before it happens, and how many seconds after the beginning."""


def run(
    seed: int,
    seconds: float,
    directory: Path,
    *,
    faults_min: int = 0,
    say: Say = lambda _seconds, _fault: None,
) -> Report:
    """Play and break things for so long, and so often, then check. To be called in the main thread.

    What is raised names the command that does the same again.
    """
    report = Report(seed, seconds)
    try:
        _run(report, directory, faults_min, say)
    except BaseException as error:
        error.add_note(f"{report.again}\ndata and logs: {directory}")
        raise
    return report


def _run(report: Report, directory: Path, faults_min: int, say: Say) -> None:
    seed, seconds, began_s = report.seed, report.seconds, time.monotonic()
    with running(directory) as parts:
        asyncio.run(_until_follows(parts))
        injector, load = Injector(parts), Load(parts.port, seed)
        first_s = time.monotonic()
        with load.running():
            for fault in schedule(seed, seconds):
                late = time.monotonic() + fault.pause_s >= first_s + seconds
                if late and len(injector.done) >= faults_min:
                    break
                time.sleep(fault.pause_s)
                say(time.monotonic() - first_s, fault)
                injector.inject(fault)
            injector.resume(at_once=True)
            last_s = time.monotonic()
            try:
                asyncio.run(_until_follows(parts))
            except TimeoutError:
                report.problems.append(f"not open again {RECOVERY_S:g} s after the last fault")
            report.recovered_s = time.monotonic() - last_s
        report.done, report.bytes_cut = injector.done, injector.bytes_cut
        report.statuses.update(answer.status for answer in load.answers)
        report.codes.update(answer.code for answer in load.answers if answer.code)
        report.waits_s = first_answers(injector.done, load.answers)
        report.outage = longest_outage(injector.done, load.answers)
        if not report.problems:
            asyncio.run(_check(parts, load, injector, report))
        parts.require_running()
    report.took_s = time.monotonic() - began_s


async def _until_follows(parts: Parts) -> None:
    """Return when pulls succeed and the daemon follows. Fails after `RECOVERY_S`."""
    async with asyncio.timeout(RECOVERY_S):
        while True:
            try:
                async with casino_on(parts.valkeys.serving, parts.postgres.url) as casino:
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


async def until_quiet(casino: Casino) -> None:
    """Return when no open bet is left to be settled, and Postgres has had everything for a while."""
    async with asyncio.timeout(RECOVERY_S):
        since_s, last = time.monotonic(), None
        while time.monotonic() - since_s < QUIET_S:
            await asyncio.sleep(_POLL_S)
            now = await casino.last_entry()
            open_bets = await casino.administer("ZCARD", keys.crash_open(PARTITION))
            if now != last or now != await casino.cursor() or open_bets:
                since_s, last = time.monotonic(), now


async def _check(parts: Parts, load: Load, injector: Injector, report: Report) -> None:
    """All invariants: of what was answered under load, and then of what is answered to those who ask again."""
    async with (
        casino_on(parts.valkeys.serving, parts.postgres.url) as casino,
        client(f"http://127.0.0.1:{parts.port}") as asking,
    ):
        await until_quiet(casino)
        events = await invariants.read_events(casino.connection)
        log, answers, problems = invariants.log_of(events), load.answers, report.problems
        report.strict = sum(answer.strict for answer in invariants.with_events(answers))
        problems += invariants.strict_held(log, answers)
        report.tails, found = invariants.lost_tails(log, answers, injector.losses)
        problems += found + invariants.in_order(log, answers)
        report.keys, found = await invariants.asked_again(log, answers, asking)
        problems += found
        await until_quiet(casino)
        events = await invariants.read_events(casino.connection)
        log, answers = invariants.log_of(events), [*answers, *asking.answers]
        report.events, report.event_types = len(events), Counter(event.header.type for event in events)
        problems += invariants.all_held(log, asking.answers)
        problems += invariants.gapless(log) + invariants.once_per_key(log)
        by_attempt = attempts.by_attempt(events)
        problems += attempts.never_wrong(by_attempt, load.told)
        problems += attempts.refused_for_good(by_attempt, answers)
        told = await attempts.looked_up(attempts.attempts(answers), asking)
        report.attempts, found = attempts.known_in_the_end(by_attempt, told)
        problems += found
        problems += await as_in_the_model(parts.master_key, casino, events, answers, report)
        problems += await same_everywhere(casino)
        report.heals = await casino.connection.fetch(_HEALS)


async def as_in_the_model(
    master_key: bytes, casino: Casino, events: Sequence[Event], answers: Sequence[Answer], report: Report
) -> list[str]:
    """The log, replayed: the same events, the same replies, and in the end the same state as in Redis."""
    requests = {(each.request.uid, each.request.logged_key): each.request for each in answers}
    replay = Replay(master_key, (await read_installation(casino.connection)).id)
    if found := replay.run(events, requests):
        return found
    log = invariants.log_of(events)
    standing = [each for each in invariants.with_events(answers) if invariants.held(log, each)]
    report.replies_replayed = len(standing)
    found = same_replies(replay, standing) + same_settlements(replay, answers)
    if replay.state() != await casino.durable_state():
        found.append("the state in Redis is not what the model has after the log")
    return found


async def same_everywhere(casino: Casino) -> list[str]:
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
