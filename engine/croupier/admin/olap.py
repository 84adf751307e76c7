"""How events come to ClickHouse: from Postgres, so that it answers whatever is away, and from ClickHouse if it can."""

from typing import Final

from croupier.clickhouse import ClickHouseError
from croupier.command import Caller
from croupier.postgres import asking_postgres
from croupier.query import NoParams, Query, Sources
from croupier.sinks import SILENCE_MAX_S, sink_progress
from croupier_schemas.sinks import OlapHealth

TABLES: Final = ("game_events", "purchases", "purchases_daily_agg", "games_daily_agg", "players_daily")

_ANSWER_TIMEOUT_S: Final = 2.0


async def olap_health(sources: Sources, _caller: Caller, _params: NoParams) -> OlapHealth:
    """The sink ClickHouse. Raises CroupierError NOT_READY where Postgres cannot be asked."""
    enabled = sources.engine.settings.clickhouse_on
    with asking_postgres():
        (progress,) = await sink_progress(sources.pool, ["clickhouse"])
    silent = progress.silent_s is None or progress.silent_s > SILENCE_MAX_S
    return OlapHealth(
        enabled=enabled,
        database=sources.clickhouse.address.database if sources.clickhouse else "",
        reachable=await _answers(sources),
        tables=list(TABLES),
        lag_events=progress.lag_events if enabled else 0,
        lag_seconds=progress.lag_seconds if enabled else 0.0,
        cursor=progress.cursor,
        dead_letters=progress.dead_letters,
        state="off" if not enabled else "silent" if silent else progress.state,
        detail=progress.detail if enabled else "",
        as_of=progress.as_of,
    )


async def _answers(sources: Sources) -> bool:
    if sources.clickhouse is None:
        return False
    try:
        await sources.clickhouse.fetch("SELECT 1", timeout_s=_ANSWER_TIMEOUT_S)
    except ClickHouseError:
        return False
    return True


OLAP_HEALTH = Query(
    name="olap.health",
    path="/api/olap/health",
    summary="How events come to ClickHouse",
    params=NoParams,
    reply=OlapHealth,
    answer=olap_health,
    access="admin",
)
