"""Limited stock, and how it went."""

import datetime

import asyncpg

from croupier.clock import utc
from croupier.command import Caller
from croupier.gacha.queries import remaining_stock
from croupier.paging import AS_OF, QUERY_TIMEOUT_S
from croupier.postgres import asking_postgres
from croupier.query import Query, Sources
from croupier_schemas.admin import Pool, PoolHour, PoolsQuery, PoolsReply
from croupier_schemas.economy import RARITIES

_HOUR = datetime.timedelta(hours=1)

# Bounded by the hours asked for and by the banners that an economy may have.
_HOURS = f"""
SELECT {AS_OF}, of_hour.* FROM (VALUES (1)) AS always_one
LEFT JOIN (
    SELECT banner, rarity, hour, sum(remaining)::bigint AS remaining, sum(drawn)::bigint AS drawn,
      sum(added)::bigint AS added
    FROM pool_hours WHERE hour >= $2 GROUP BY banner, rarity, hour
) AS of_hour ON true
ORDER BY hour
"""


async def pools(sources: Sources, _caller: Caller, params: PoolsQuery) -> PoolsReply:
    """Every limited rarity of every banner in force. Raises CroupierError NOT_READY."""
    now = utc(sources.engine.now_ms())
    since = now.replace(minute=0, second=0, microsecond=0) - (params.hours - 1) * _HOUR
    with asking_postgres():
        rows = await sources.pool.fetch(_HOURS, 0, since, timeout=QUERY_TIMEOUT_S)
    histories = _histories(rows)
    economy = (await sources.engine.views.in_force(0)).economy
    items = []
    for name, compiled in economy.banners.items():
        left = await remaining_stock(sources, economy, name)
        for rarity in RARITIES[:3]:
            remaining, initial = getattr(left, rarity), getattr(compiled.banner.stock, rarity)
            if remaining is None or initial is None:
                continue
            history = histories.get((name, rarity), [])
            items.append(Pool(name, rarity, compiled.banner.enabled, initial, remaining, history))
    return PoolsReply(economy.version, since, len(items), items, utc(rows[0]["as_of_ms"]))


def _histories(rows: list[asyncpg.Record]) -> dict[tuple[str, str], list[PoolHour]]:
    histories: dict[tuple[str, str], list[PoolHour]] = {}
    for row in rows:
        if row["hour"] is not None:
            hour = PoolHour(row["hour"], row["remaining"], row["drawn"], row["added"])
            histories.setdefault((row["banner"], row["rarity"]), []).append(hour)
    return histories


POOLS = Query(
    name="admin.pools",
    path="/api/admin/pools",
    summary="Limited stock by banner and rarity, and how it went by the hour",
    params=PoolsQuery,
    reply=PoolsReply,
    answer=pools,
    access="admin",
)
