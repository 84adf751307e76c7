"""The sink ClickHouse and what stands in the topics: other messages than those it has offsets of, and late inserts."""

import asyncio
from typing import Any

import pytest
from aiokafka import TopicPartition

from croupier.clickhouse import Away, ClickHouse
from croupier_cli.embedded import Kafka
from croupier_sync.export import reading
from tests.export.olap import Olap, publish
from tests.export.support import repeated
from tests.sync.support import until


@pytest.fixture
def olap(read_in_kafka: Olap) -> Olap:
    return read_in_kafka


async def have_read(olap: Olap) -> None:
    """Have offsets that are not those of the beginning."""
    async with olap.exporting():
        await olap.append(repeated(olap.log, 100))
        await olap.until_in_clickhouse()
    assert await olap.connection.fetchval("SELECT sum(next_offset) FROM clickhouse_offsets") >= 100


def restart_broker(olap: Olap) -> None:
    """Have another broker in the place of this one, which is killed: it is empty."""
    assert olap.kafka is not None
    olap.kafka.kill()
    olap.kafka = Kafka.start(olap.kafka.data_dir, port=olap.kafka.port)


async def test_given_topics_filled_anew_beyond_its_offsets_when_it_begins_then_it_takes_what_it_lacks_from_postgres(
    olap: Olap,
) -> None:
    await have_read(olap)
    restart_broker(olap)
    await olap.append(repeated(olap.log, 500))
    await publish(olap)
    await require_all_once(olap)


async def test_given_topics_filled_anew_beyond_its_offsets_while_it_reads_then_it_takes_what_it_lacks_from_postgres(
    olap: Olap, monkeypatch: pytest.MonkeyPatch
) -> None:
    await have_read(olap)
    read, looking, filled = reading.Topics.read, asyncio.Event(), asyncio.Event()

    async def look_away(topics: reading.Topics, messages_max: int) -> dict[Any, list[Any]]:
        """Not look at the broker until that is filled again, as one does who is held up."""
        if not filled.is_set():
            places = [TopicPartition(*place) for place in topics.places]
            topics._consumer.pause(*places)
            looking.set()
            await filled.wait()
            topics._consumer.resume(*places)
        return await read(topics, messages_max)

    monkeypatch.setattr(reading.Topics, "read", look_away)
    following = asyncio.create_task(olap.follow_once(count=len(olap.log) + 500))
    await looking.wait()
    restart_broker(olap)
    await olap.append(repeated(olap.log, 500))
    await publish(olap)
    filled.set()
    await following
    await olap.require_each_event_once()


async def test_given_a_new_topic_end_that_is_not_reached_when_reading_then_nothing_counts_as_complete(
    olap: Olap, monkeypatch: pytest.MonkeyPatch
) -> None:
    await olap.append(repeated(olap.log, 300))
    await publish(olap)
    read, reads = reading.Topics.read, 0

    async def slow(topics: reading.Topics, _messages_max: int) -> dict[Any, list[Any]]:
        nonlocal reads
        reads += 1
        return await read(topics, 20)

    monkeypatch.setattr(reading.Topics, "read", slow)
    await require_all_once(olap)
    assert reads > 300 / 20


@pytest.mark.parametrize("through_kafka", [False, True], ids=["straight", "kafka"])
async def test_given_an_insert_that_comes_in_after_the_next_attempt_has_begun_when_exported_then_it_counts_once(
    olap: Olap, monkeypatch: pytest.MonkeyPatch, through_kafka: bool
) -> None:
    source = olap if through_kafka else olap.without_kafka()
    late: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
    insert, came_in = ClickHouse.insert, False

    async def hold_up_first(self: ClickHouse, *arguments: Any, **options: Any) -> None:
        nonlocal came_in
        if not late:
            late.append((arguments, options))
            raise Away("no answer")
        if not came_in:
            came_in = True
            await insert(self, *late[0][0], **late[0][1])
        await insert(self, *arguments, **options)

    await olap.append(repeated(olap.log, 50))
    if through_kafka:
        await publish(olap)
    monkeypatch.setattr(ClickHouse, "insert", hold_up_first)
    async with source.exporting():

        async def arrived() -> bool:
            return came_in

        await until(arrived, "the second attempt")
        await olap.until_in_clickhouse()
        await olap.until_counted()
    await olap.require_each_event_once()


async def require_all_once(olap: Olap) -> None:
    """Export until all is in ClickHouse, which has each event once then."""
    async with olap.exporting():
        await olap.until_in_clickhouse()
        await olap.until_counted()
    await olap.require_each_event_once()
    assert await olap.connection.fetchval("SELECT count(*) FROM export_failures") == 0
