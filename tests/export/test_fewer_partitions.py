"""A topic that is made again, with fewer partitions than it had."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import msgspec
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from croupier_cli.embedded import Kafka
from croupier_cli.embedded.clickhouse import ClickHouse as Server
from croupier_schemas.events import Event
from croupier_schemas.messages import TOPIC_PURCHASES
from croupier_sync.export.kafka import partition_of
from croupier_sync.export.published import read_published
from tests.export.olap import Olap, fill, olap_of, purchase, until_read_in_kafka
from tests.export.support import TOPIC_PARTITIONS, repeated
from tests.sync.support import until

LAST = TOPIC_PARTITIONS - 1


@pytest.fixture
async def olap(
    clickhouse_server: Server,
    database_url: str,
    connection: asyncpg.Connection,
    log: list[Event],
    kafka: Kafka,
) -> AsyncIterator[Olap]:
    async with olap_of(clickhouse_server, database_url, connection, kafka) as olap:
        await fill(olap, log)
        yield olap


async def make_again(kafka: Kafka) -> None:
    """The topic of purchases with one partition."""
    admin: Any = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    try:
        await admin.delete_topics([TOPIC_PURCHASES])

        async def gone() -> bool:
            return TOPIC_PURCHASES not in await admin.list_topics()

        await until(gone, "the topic to be gone")
        await admin.create_topics([NewTopic(TOPIC_PURCHASES, 1, 1)])
    finally:
        await admin.close()


async def test_given_a_topic_made_again_with_fewer_partitions_when_exported_then_both_sinks_go_on(
    olap: Olap, kafka: Kafka
) -> None:
    async with olap.exporting():
        await olap.until_in_clickhouse()
        await until_read_in_kafka(olap)
        (later,) = repeated(olap.log, 1)
        uid = next(uid for uid in range(1, 100) if partition_of(str(uid).encode(), TOPIC_PARTITIONS) == LAST)
        header = msgspec.structs.replace(later.header, uid=uid)
        await olap.append([purchase(msgspec.structs.replace(later, header=header))])
        await olap.until_in_clickhouse()
        assert (TOPIC_PURCHASES, LAST) in (await read_published(olap.connection)).ends
    await make_again(kafka)
    async with olap.exporting() as sinks:

        async def complete() -> bool:
            seq = await olap.connection.fetchval("SELECT seq FROM sink_cursors WHERE sink = 'clickhouse'")
            return bool(
                seq == olap.log[-1].id.seq and all(sink.status.state == "following" for sink in sinks)
            )

        for _ in range(2):
            await olap.append([purchase(event) for event in repeated(olap.log, 20)])
            await until(complete, "all to be there, and said to be")
    await olap.require_each_event_once()
