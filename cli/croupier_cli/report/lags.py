"""How far each sink is behind."""

from croupier.postgres import asking_postgres
from croupier.query import Sources
from croupier.sinks import sink_progress, sinks_on
from croupier_schemas.admin import SinkLag


async def sink_lags(sources: Sources) -> list[SinkLag]:
    """Postgres, and the sinks behind it that are on. Raises CroupierError NOT_READY, TransportError."""
    engine = sources.engine
    await engine.room.measure(sources.pool)
    measured = engine.room.measured
    with asking_postgres():
        others = await sink_progress(sources.pool, sinks_on(engine.settings))
    return [
        SinkLag("postgres", measured.behind, measured.behind_s),
        *(SinkLag(each.sink, each.lag_events, each.lag_seconds) for each in others),
    ]
