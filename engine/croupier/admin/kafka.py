"""How events come to Kafka: from Postgres alone, so that it answers whatever is away."""

from croupier.command import Caller
from croupier.postgres import asking_postgres
from croupier.query import NoParams, Query, Sources
from croupier.sinks import sink_progress
from croupier_schemas.messages import TOPIC_ACTIONS, TOPIC_DEAD_LETTERS, TOPIC_REWARDS
from croupier_schemas.sinks import KafkaHealth


async def kafka_health(sources: Sources, _caller: Caller, _params: NoParams) -> KafkaHealth:
    """The sink Kafka. Raises CroupierError NOT_READY where Postgres cannot be asked."""
    settings = sources.engine.settings
    with asking_postgres():
        (progress,) = await sink_progress(sources.pool, ["kafka"])
    enabled = settings.kafka_on
    return KafkaHealth(
        enabled=enabled,
        bootstrap_servers=settings.kafka_bootstrap_servers.split(",") if enabled else [],
        reachable=enabled and progress.is_served,
        topics=[TOPIC_ACTIONS, TOPIC_REWARDS, settings.kafka_purchases_topic, TOPIC_DEAD_LETTERS],
        lag_events=progress.lag_events if enabled else 0,
        lag_seconds=progress.lag_seconds if enabled else 0.0,
        cursor=progress.cursor,
        dead_letters=progress.dead_letters,
        state=progress.state if enabled else "off",
        detail=progress.detail if enabled else "",
        as_of=progress.as_of,
    )


KAFKA_HEALTH = Query(
    name="kafka.health",
    path="/api/kafka/health",
    summary="How events come to Kafka",
    params=NoParams,
    reply=KafkaHealth,
    answer=kafka_health,
    access="admin",
)
