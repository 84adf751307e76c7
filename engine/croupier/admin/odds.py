"""Observed against disclosed odds, over the newest pulls."""

import asyncio
from typing import Final, NamedTuple

import asyncpg
import msgspec

from croupier.clock import utc
from croupier.command import Caller
from croupier.economy.banner import weight_of
from croupier.fairness.queries import economy_of_event
from croupier.gacha.observed import Observed
from croupier.gacha.pulled import PullTerms
from croupier.paging import AS_OF, QUERY_TIMEOUT_S
from croupier.partition import PARTITIONS
from croupier.postgres import asking_postgres
from croupier.query import Query, Sources
from croupier_schemas.admin import ObservedOdds, ObservedQuery, ObservedRarity, ObservedReply
from croupier_schemas.economy import RARITIES

SCANNED_MAX: Final = 50_000
"""Events that are looked at in search of pulls."""

_AT_ONCE: Final = 200
"""Pulls that are counted before others have their turn: some milliseconds' worth, since players wait meanwhile."""

_PULLS: Final = f"""
WITH newest AS NOT MATERIALIZED (
    SELECT epoch, seq, ts_ms, type, economy, terms, result FROM events WHERE partition = $1
    ORDER BY epoch DESC, seq DESC LIMIT {SCANNED_MAX}
)
SELECT {AS_OF}, (SELECT count(*) FROM (SELECT FROM events WHERE partition = $1 LIMIT {SCANNED_MAX + 1}) AS looked_at)
  <= {SCANNED_MAX} AS all_scanned, page.*
FROM (VALUES (1)) AS always_one
LEFT JOIN LATERAL (
    SELECT epoch, seq, ts_ms, economy, terms, result FROM newest WHERE type = 'gacha.pulled'
    ORDER BY epoch DESC, seq DESC LIMIT $2
) AS page ON true
ORDER BY epoch DESC, seq DESC
"""


class _Place(NamedTuple):
    banner: str
    economy: bytes


class _Group(NamedTuple):
    """Counts, and the times of the last and of the first pull in them, in the order in which rows come."""

    observed: Observed
    times_ms: list[int]


async def odds(sources: Sources, _caller: Caller, params: ObservedQuery) -> ObservedReply:
    """The newest pulls, by banner and version of the economy. Raises CroupierError NOT_READY."""
    rows: list[asyncpg.Record] = []
    with asking_postgres():
        for partition in range(PARTITIONS):
            # One more than is counted, to see whether there are more.
            rows += await sources.pool.fetch(_PULLS, partition, params.pulls + 1, timeout=QUERY_TIMEOUT_S)
    pulls = [row for row in rows if row["ts_ms"] is not None]
    complete = len(pulls) <= params.pulls and all(row["all_scanned"] for row in rows)
    pulls = pulls[: params.pulls]
    groups = await _grouped(sources, pulls)
    in_force = (await sources.engine.views.in_force(0)).economy.version
    items = [await _compared(sources, place, group, in_force) for place, group in groups.items()]
    return ObservedReply(len(items), items, len(pulls), complete, utc(rows[0]["as_of_ms"]))


async def _grouped(sources: Sources, pulls: list[asyncpg.Record]) -> dict[_Place, _Group]:
    groups: dict[_Place, _Group] = {}
    decode = msgspec.msgpack.Decoder(PullTerms).decode
    for number, row in enumerate(pulls):
        if number % _AT_ONCE == 0:
            await asyncio.sleep(0)
        place = _Place(decode(row["terms"]).banner, row["economy"])
        group = groups.get(place)
        if group is None:
            economy = await economy_of_event(sources, place.economy.hex())
            group = groups[place] = _Group(Observed(economy.banners[place.banner].banner), [])
        group.observed.add(row["result"])
        group.times_ms.append(row["ts_ms"])
    return groups


async def _compared(sources: Sources, place: _Place, group: _Group, in_force: str) -> ObservedOdds:
    version, observed = place.economy.hex(), group.observed
    banner = (await economy_of_event(sources, version)).banners[place.banner].banner
    counts, expected, covariance = observed.counts, observed.expected, observed.covariance
    test = observed.compared()
    return ObservedOdds(
        banner=place.banner,
        economy=version,
        in_force=version == in_force,
        pulls=observed.pulls,
        draws=observed.draws,
        first_at=utc(min(group.times_ms)),
        last_at=utc(max(group.times_ms)),
        rarities=[
            ObservedRarity(
                rarity, weight_of(banner, rarity), counts[i], expected[i], max(0.0, covariance[i][i]) ** 0.5
            )
            for i, rarity in enumerate(RARITIES)
        ],
        tested=[[RARITIES[i] for i in rarities] for rarities in test.groups],
        chi_square=test.chi_square,
        degrees_of_freedom=test.degrees_of_freedom,
        p_value=test.p_value,
    )


ODDS = Query(
    name="admin.odds",
    path="/api/admin/odds",
    summary="Observed against disclosed odds, over the newest pulls",
    params=ObservedQuery,
    reply=ObservedReply,
    answer=odds,
    access="admin",
)
