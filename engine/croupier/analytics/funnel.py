"""How far players get in the shop: they open it, click on something, and have it."""

import asyncio
from typing import Final, get_args

from croupier.analytics.asking import Period, as_of, ask
from croupier.command import Caller
from croupier.query import Query, Sources
from croupier_schemas.analytics import FunnelQuery, FunnelStage, Stage

STAGES: Final[tuple[Stage, ...]] = get_args(Stage)

# windowFunnel finds per player the longest chain of stages in this order that lies within the window, which here is all
# of the period. A purchase that the gateway refused has granted nothing.
_FUNNEL: Final = """
SELECT stages, count() AS players
FROM (
    SELECT
        windowFunnel({window_ms:UInt64})(
            toUInt64(toUnixTimestamp64Milli(created_at)),
            action_type = 'open_shop',
            action_type = 'buy_click',
            event_type = 'shop.bought' AND JSONExtractUInt(result, 'gems_granted') > 0
        ) AS stages
    FROM game_events FINAL
    WHERE created_at >= fromUnixTimestamp64Milli({since_ms:Int64})
        AND event_type IN ('actions.recorded', 'shop.bought')
    GROUP BY player_id
)
GROUP BY stages
"""


async def funnel(sources: Sources, _caller: Caller, params: FunnelQuery) -> list[FunnelStage]:
    """Players by stage. Raises CroupierError NOT_READY."""
    period = Period.of(sources, params.days)
    window_ms = period.now_ms - period.since_ms
    newest, rows = await asyncio.gather(
        as_of(sources), ask(sources, _FUNNEL, since_ms=period.since_ms, window_ms=window_ms)
    )
    return [
        FunnelStage(stage, sum(row["players"] for row in rows if row["stages"] >= number), newest)
        for number, stage in enumerate(STAGES, start=1)
    ]


FUNNEL: Final = Query(
    name="analytics.funnel",
    path="/api/analytics/funnels/buy",
    summary="How many players open the shop, click on something there, and buy it",
    params=FunnelQuery,
    reply=list[FunnelStage],
    answer=funnel,
    access="admin",
)
