"""Observed against disclosed odds, over the newest rounds of each game."""

import asyncio
from collections.abc import Sequence
from typing import Final, NamedTuple

import asyncpg
import msgspec

from croupier.admin.observed import Observed, Round, observed
from croupier.chi_square import Tally
from croupier.clock import utc
from croupier.command import Caller
from croupier.fairness.queries import economy_of_event
from croupier.gacha.pulled import PullTerms
from croupier.paging import AS_OF, QUERY_TIMEOUT_S
from croupier.partition import PARTITIONS
from croupier.postgres import asking_postgres
from croupier.query import Query, Sources
from croupier_schemas.admin import (
    ObservedOdds,
    ObservedOutcome,
    ObservedQuery,
    ObservedReply,
    ObservedTable,
)
from croupier_schemas.economy import Game

SCANNED_MAX: Final = 50_000
"""Events that are looked at in search of rounds."""

_AT_ONCE: Final = 200
"""Rounds that are counted before others have their turn: some milliseconds' worth, since players wait meanwhile."""

_GAMES: Final[dict[str, Game]] = {
    "gacha.pulled": "gacha",
    "slot.spun": "slot",
    "rps.played": "rps",
    "crash.settled": "crash",
}

_ROUNDS: Final = f"""
WITH newest AS NOT MATERIALIZED (
    SELECT epoch, seq, ts_ms, type, economy, terms, result, changes FROM events WHERE partition = $1
    ORDER BY epoch DESC, seq DESC LIMIT {SCANNED_MAX}
)
SELECT {AS_OF}, (SELECT count(*) FROM (SELECT FROM events WHERE partition = $1 LIMIT {SCANNED_MAX + 1}) AS looked_at)
  <= {SCANNED_MAX} AS all_scanned, page.*
FROM (VALUES (1)) AS always_one
LEFT JOIN LATERAL (
    SELECT ts_ms, economy, terms, result, CASE WHEN $2 = 'crash.settled' THEN changes END AS changes
    FROM newest WHERE type = $2 ORDER BY epoch DESC, seq DESC LIMIT $3
) AS page ON true
"""


class _Place(NamedTuple):
    game: Game
    banner: str | None
    economy: bytes


class _Group:
    """Counts, and the times of the rounds in them."""

    def __init__(self, counts: Observed) -> None:
        self.observed = counts
        self.rounds = 0
        self.first_ms = self.last_ms = 0

    def add(self, row: asyncpg.Record) -> None:
        self.observed.add(Round(row["terms"], row["result"], row["changes"] or b""))
        self.first_ms = min(self.first_ms, row["ts_ms"]) if self.rounds else row["ts_ms"]
        self.last_ms = max(self.last_ms, row["ts_ms"])
        self.rounds += 1


async def odds(sources: Sources, _caller: Caller, params: ObservedQuery) -> ObservedReply:
    """The newest rounds, by game, banner and version of the economy. Raises CroupierError NOT_READY."""
    groups: dict[_Place, _Group] = {}
    complete, as_of_ms = True, 0
    for event_type, game in _GAMES.items():
        rows: list[asyncpg.Record] = []
        with asking_postgres():
            for partition in range(PARTITIONS):
                # One more than is counted, to see whether there are more.
                rows += await sources.pool.fetch(
                    _ROUNDS, partition, event_type, params.rounds + 1, timeout=QUERY_TIMEOUT_S
                )
        rounds = [row for row in rows if row["ts_ms"] is not None]
        complete = complete and len(rounds) <= params.rounds and all(row["all_scanned"] for row in rows)
        as_of_ms = max(as_of_ms, rows[0]["as_of_ms"])
        await _count(sources, game, rounds[: params.rounds], groups)
    in_force = (await sources.engine.views.in_force(0)).economy.version
    items = [_compared(place, group, in_force) for place, group in groups.items()]
    counted = sum(group.rounds for group in groups.values())
    return ObservedReply(len(items), items, counted, complete, utc(as_of_ms))


async def _count(
    sources: Sources, game: Game, rows: Sequence[asyncpg.Record], groups: dict[_Place, _Group]
) -> None:
    terms = msgspec.msgpack.Decoder(PullTerms)
    for number, row in enumerate(rows):
        if number % _AT_ONCE == 0:
            await asyncio.sleep(0)
        banner = terms.decode(row["terms"]).banner if game == "gacha" else None
        place = _Place(game, banner, row["economy"])
        group = groups.get(place)
        if group is None:
            economy = await economy_of_event(sources, place.economy.hex())
            group = groups[place] = _Group(observed(economy, game, banner))
        group.add(row)


def _compared(place: _Place, group: _Group, in_force: str) -> ObservedOdds:
    tables = [_table(name, tally) for name, tally in group.observed.tallies().items()]
    judged = [table.p_value for table in tables if table.p_value is not None]
    version = place.economy.hex()
    return ObservedOdds(
        game=place.game,
        banner=place.banner,
        economy=version,
        in_force=version == in_force,
        rounds=group.rounds,
        first_at=utc(group.first_ms),
        last_at=utc(group.last_ms),
        tables=tables,
        rtp=group.observed.mean(),
        p_value=min(1.0, len(judged) * min(judged)) if judged else None,
    )


def _table(name: str, tally: Tally) -> ObservedTable:
    test, covariance = tally.compared(), tally.covariance
    outcomes = [
        ObservedOutcome(outcome, count, mean, max(0.0, covariance[i][i]) ** 0.5)
        for i, (outcome, count, mean) in enumerate(
            zip(tally.outcomes, tally.counts, tally.expected, strict=True)
        )
    ]
    groups = [[tally.outcomes[i] for i in group] for group in test.groups]
    return ObservedTable(
        name, tally.draws, outcomes, groups, test.chi_square, test.degrees_of_freedom, test.p_value
    )


ODDS = Query(
    name="admin.odds",
    path="/api/admin/odds",
    summary="Observed against disclosed odds, over the newest rounds of each game",
    params=ObservedQuery,
    reply=ObservedReply,
    answer=odds,
    access="admin",
)
