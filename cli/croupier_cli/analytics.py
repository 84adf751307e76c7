"""The part of `croupier up` that carries events on: the embedded Kafka and ClickHouse, and the export to them."""

import asyncio
import importlib.util
from collections.abc import Callable
from typing import Final

import msgspec

from croupier.settings import Settings
from croupier_cli.embedded import BinaryMissing
from croupier_cli.embedded.kafka import find_kafka
from croupier_cli.failures import reason_of
from croupier_cli.servers import postgres

DRAIN_TIMEOUT_S: Final = 10.0
_POLL_INTERVAL_S: Final = 0.05
_BEHIND: Final = """
SELECT count(*) FROM partitions JOIN sink_cursors AS cursor USING (partition)
WHERE sink = ANY($1::text[]) AND (partitions.epoch, partitions.seq) > (cursor.epoch, cursor.seq)
"""


def with_embedded(settings: Settings) -> Settings:
    """The settings with both sinks switched on or off: on where a server is named, or can be started here.

    Raises BinaryMissing where one is asked for that cannot be started.
    """
    return msgspec.structs.replace(
        settings,
        kafka_enabled=_enabled(settings.kafka_enabled, settings.kafka_bootstrap_servers, find_kafka),
        clickhouse_enabled=_enabled(settings.clickhouse_enabled, settings.clickhouse_url, _find_clickhouse),
    )


async def carried_on(settings: Settings, give_up: Callable[[], bool]) -> bool:
    """Wait, but not long, until the sinks have every event that Postgres has. False where it did not come to that."""
    sinks = [
        sink for sink, on in (("kafka", settings.kafka_on), ("clickhouse", settings.clickhouse_on)) if on
    ]
    try:
        async with asyncio.timeout(DRAIN_TIMEOUT_S), postgres(settings.database_url) as connection:
            while await connection.fetchval(_BEHIND, sinks):
                if give_up():
                    return False
                await asyncio.sleep(_POLL_INTERVAL_S)
    except Exception as error:
        if reason_of(error) is None:
            raise
        return False  # Postgres has gone, or it takes too long
    return True


def _enabled(wanted: bool | None, server: str, find: Callable[[], object]) -> bool:
    if wanted is False or server:
        return wanted is not False
    try:
        find()
    except BinaryMissing:
        if wanted:
            raise
        return False
    return True


def _find_clickhouse() -> None:
    if importlib.util.find_spec("chdb") is None:
        raise BinaryMissing(
            "no ClickHouse engine found: pip install 'croupier[analytics]', "
            "or set CLICKHOUSE_URL, or CLICKHOUSE_ENABLED=false"
        )
