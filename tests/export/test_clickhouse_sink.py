"""The sink ClickHouse: each event once, whichever way it takes, and the days counted from that."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from croupier_cli.embedded import Kafka
from croupier_cli.embedded.clickhouse import ClickHouse as Server
from croupier_schemas.events import Event
from tests.export.olap import Olap, fill, olap_of, purchase
from tests.export.support import repeated


@pytest.fixture
async def olap(
    clickhouse_server: Server, database_url: str, connection: asyncpg.Connection, log: list[Event]
) -> AsyncIterator[Olap]:
    """A log of all types of events in Postgres, with some purchases, and an empty ClickHouse."""
    async with olap_of(clickhouse_server, database_url, connection) as olap:
        bought = [purchase(event) for event in repeated(log, 7)[:5]]
        await fill(olap, [*log, *bought])
        yield olap


@pytest.fixture
def olap_and_kafka(olap: Olap, kafka: Kafka) -> Olap:
    """The same, and a broker."""
    olap.kafka = kafka
    return olap


async def test_given_a_log_and_no_kafka_when_exported_then_each_event_is_a_row_and_each_day_is_counted(
    olap: Olap,
) -> None:
    async with olap.exporting():
        await olap.until_in_clickhouse()
        await olap.append(repeated(olap.log, 500))
        await olap.until_in_clickhouse()
        await olap.until_counted()
    await olap.require_each_event_once()
    await olap.require_days_counted()
    assert await olap.value("SELECT count() FROM purchases") >= 5


async def test_given_a_log_and_kafka_when_exported_then_each_event_is_a_row_and_each_day_is_counted(
    olap_and_kafka: Olap,
) -> None:
    olap = olap_and_kafka
    async with olap.exporting():
        await olap.until_in_clickhouse()
        await olap.append(repeated(olap.log, 500))
        await olap.until_in_clickhouse()
        await olap.until_counted()
    await olap.require_each_event_once()
    await olap.require_days_counted()
