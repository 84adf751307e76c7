"""What the report shows: the answers of the questions, at one moment."""

import asyncio
import contextlib
import datetime
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Final

import asyncpg
import msgspec
from msgspec.structs import replace

from croupier.analytics.activity import activity
from croupier.analytics.crash_points import crash_points
from croupier.analytics.funnel import funnel
from croupier.analytics.odds import odds
from croupier.analytics.retention import retention
from croupier.analytics.rtp import rtp
from croupier.clickhouse import ClickHouse
from croupier.clock import utc
from croupier.command import SYSTEM_ROLE, Caller
from croupier.engine import Engine
from croupier.fairness.seeds import MasterKeys
from croupier.query import Sources
from croupier.settings import Settings
from croupier_cli.report.lags import sink_lags
from croupier_cli.servers import redis
from croupier_schemas.admin import SinkLag
from croupier_schemas.analytics import (
    CrashPoints,
    FunnelQuery,
    FunnelStage,
    Hour,
    OddsQuery,
    OddsReply,
    RetentionQuery,
    RetentionReply,
    RtpQuery,
    RtpReply,
)

_POSTGRES_TIMEOUT_S: Final = 5.0
_ITSELF: Final = Caller(0, "", SYSTEM_ROLE, b"")


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """Everything in the report. `zone` is that of the days."""

    made_at: datetime.datetime
    days: int
    zone: str
    as_of: datetime.datetime | None
    hours: list[Hour]
    odds: OddsReply
    rtp: RtpReply
    crash: CrashPoints
    retention: RetentionReply
    funnel: list[FunnelStage]
    sinks: list[SinkLag]


async def gather(settings: Settings, days: int, show: Callable[[str, int], None]) -> Figures:
    """Ask all questions, one after the other; `show` is told which one, and how many were answered before.

    Raises CroupierError NOT_READY, SettingsError, and what is raised by `croupier_cli.servers`.
    """
    async with _sources(settings) as sources:
        questions: list[tuple[str, Coroutine[Any, Any, Any]]] = [
            ("hours", activity(sources, days)),
            ("odds", odds(sources, _ITSELF, OddsQuery(days))),
            ("rtp", rtp(sources, _ITSELF, RtpQuery(days))),
            ("crash", crash_points(sources, days)),
            ("retention", retention(sources, _ITSELF, RetentionQuery(days))),
            ("funnel", funnel(sources, _ITSELF, FunnelQuery(days))),
            ("sinks", sink_lags(sources)),
        ]
        answers: dict[str, Any] = {}
        try:
            for number, (name, question) in enumerate(questions):
                show(name, number)
                answers[name] = await question
        finally:
            for _, question in questions:
                question.close()
        return Figures(
            made_at=utc(sources.engine.now_ms()),
            days=days,
            zone=settings.day_zone,
            as_of=answers["retention"].as_of,
            **answers,
        )


QUESTIONS: Final = 7


@contextlib.asynccontextmanager
async def _sources(settings: Settings) -> AsyncIterator[Sources]:
    """Connections to the casino's servers."""
    clickhouse = ClickHouse.of_url(settings.clickhouse_url)
    async with redis(settings.redis_url) as transport:
        async with asyncio.timeout(_POSTGRES_TIMEOUT_S):
            pool = await asyncpg.create_pool(settings.database_url, min_size=1, max_size=2)
        try:
            # No question here is about seeds: the casino's own keys stay where they are.
            without_keys = replace(settings, master_keys=MasterKeys.generate())
            yield Sources(Engine(transport, without_keys), pool, clickhouse)
        finally:
            pool.terminate()
            await clickhouse.close()
