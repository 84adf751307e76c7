"""Verification of an installation: the whole log replayed, and everything else compared with where it leads.

What cannot be found this way: events missing from the end of the log together with all that followed from them, in a
Postgres whose Redis is not at hand; and a change by somebody who also computes the digests of all later events anew.
"""

import time

import asyncpg
import msgspec

from croupier.partition import PARTITIONS
from croupier_sync.installation import read_installation
from croupier_sync.rebuild import Progress
from croupier_sync.server import Server
from croupier_sync.verification.findings import Findings, Problem
from croupier_sync.verification.flows import Flow
from croupier_sync.verification.live import Compared, compare
from croupier_sync.verification.outcomes import Outcomes, revealed_seeds
from croupier_sync.verification.replay import Replay, read_economies
from croupier_sync.verification.tables import check_cursor, check_mirror, check_once

_DEAD_LETTERS = "SELECT count(*) FROM projection_failures"
_ADOPTIONS = "SELECT count(*) FROM adoptions"


class Verdict(msgspec.Struct, frozen=True):
    """What was verified, and what was found.

    `problems` are at most `findings.PROBLEMS_MAX` of each check, `problem_count` all of them. `outcomes_recomputed`
    counts events whose seed is revealed, `outcomes_hidden` those whose is not. `redis` is None where it was not looked
    at. `dead_letters` are events that projections could not take; they are no problem of the log. `adoptions` are gaps
    in the log that operators have accepted: what happened in them cannot be verified. `without_digest` are events that
    carry no digest: a change in them shows only where something else contradicts it.
    """

    events: int
    without_digest: int
    problems: list[Problem]
    problem_count: int
    outcomes_recomputed: int
    outcomes_hidden: int
    tokens_in: int
    tokens_out: int
    gems_in: int
    gems_out: int
    dead_letters: int
    adoptions: int
    redis: Compared | None
    seconds: float

    @property
    def sound(self) -> bool:
        return not self.problem_count


async def verify(
    connection: asyncpg.Connection, server: Server | None = None, progress: Progress | None = None
) -> Verdict:
    """Verify all that Postgres holds, as of one moment, and Redis against it where `server` is given.

    Players may play meanwhile. `progress` is told events. Needs some 500 bytes of memory for each key in Redis. Raises
    MigrationError where Postgres has no installation, TransportError, PartitionError and asyncpg's errors.
    """
    started_s = time.monotonic()
    await read_installation(connection)
    findings, events, without_digest, flow = Findings(), 0, 0, Flow()
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        economies = await read_economies(connection, findings)
        outcomes = Outcomes(await revealed_seeds(connection), findings)
        for partition in range(PARTITIONS):
            replay = Replay(partition, economies, outcomes, findings)
            await replay.run(connection, progress)
            await check_cursor(connection, replay, findings)
            await check_once(connection, partition, findings)
            await check_mirror(connection, replay, findings)
            events, flow = events + replay.events, flow.plus(replay.players.flow)
            without_digest += replay.without_digest
        dead_letters = await connection.fetchval(_DEAD_LETTERS)
        adoptions = await connection.fetchval(_ADOPTIONS)
    redis = await _compare_all(server, connection, findings) if server is not None else None
    return Verdict(
        events=events,
        without_digest=without_digest,
        redis=redis,
        problems=findings.problems,
        problem_count=findings.total,
        outcomes_recomputed=outcomes.recomputed,
        outcomes_hidden=outcomes.hidden,
        **flow._asdict(),
        dead_letters=dead_letters,
        adoptions=adoptions,
        seconds=time.monotonic() - started_s,
    )


async def _compare_all(server: Server, connection: asyncpg.Connection, findings: Findings) -> Compared:
    """The worst that is to be said of any partition."""
    compared = {await compare(server, connection, partition, findings) for partition in range(PARTITIONS)}
    return "differs" if "differs" in compared else "moving" if "moving" in compared else "equal"
