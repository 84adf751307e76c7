"""How the sinks beyond Postgres are now, for who must get an answer while Postgres is away too."""

import asyncio
from typing import Final

from croupier.postgres import is_away
from croupier.query import Sources
from croupier.sinks import SinkProgress, sink_progress, sinks_on
from croupier_schemas.admin import SinkNow

TIMEOUT_S: Final = 2.0


async def sinks_now(sources: Sources) -> list[SinkNow]:
    """Those that are on; none where Postgres, which knows of them, does not tell within `TIMEOUT_S`."""
    on = sinks_on(sources.engine.settings)
    if sources.postgres is None or not on:
        return []
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return [_now(each) for each in await sink_progress(sources.postgres, on)]
    except Exception as error:
        if not is_away(error):
            raise
        return []


def _now(sink: SinkProgress) -> SinkNow:
    return SinkNow(sink.sink, sink.lag_events, sink.lag_seconds, sink.said, sink.dead_letters)
