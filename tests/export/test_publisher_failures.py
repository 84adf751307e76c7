"""The publisher while its broker fails: everything else goes on, nothing is left out, and what is lost is noticed."""

import asyncio
import os
import signal
from typing import Any

import msgspec
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, KafkaTimeoutError, OutOfOrderSequenceNumber, UnknownError

from croupier_cli.embedded import Kafka
from croupier_schemas.events import Event, EventId
from croupier_sync.export import publisher as publishing
from croupier_sync.export import turns
from croupier_sync.export.cursors import BEGINNING
from croupier_sync.export.kafka import REQUEST_TIMEOUT_MS, Producer, _abandon, refuses_idempotence
from tests.export.support import Exported, by_the_rule, repeated
from tests.sync.support import PARTITION, Casino, until


def restarted(broker: Kafka) -> Kafka:
    """The broker killed, and another one in its place, which is empty."""
    broker.kill()
    return Kafka.start(broker.data_dir, port=broker.port)


async def test_given_a_producer_that_fails_for_good_when_publishing_then_a_new_one_sends_from_the_cursor_again(
    exported: Exported, log: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    send, failures, opened = AIOKafkaProducer.send_batch, iter([OutOfOrderSequenceNumber()]), []
    start = AIOKafkaProducer.start

    async def fail_once(self: Any, batch: Any, topic: str, *, partition: int) -> Any:
        for failure in failures:
            raise failure
        return await send(self, batch, topic, partition=partition)

    async def counted_start(self: Any) -> None:
        await start(self)
        opened.append(self)

    monkeypatch.setattr(AIOKafkaProducer, "send_batch", fail_once)
    monkeypatch.setattr(AIOKafkaProducer, "start", counted_start)
    await exported.append(log)
    async with exported.publisher():
        await exported.until_published()
    assert len(opened) == 2
    found = await exported.read(len(log))
    assert sorted(message.event_id for message in by_the_rule(found)) == [event.id for event in log]


async def test_given_a_batch_that_is_not_acknowledged_then_none_after_it_is_sent_and_the_rule_loses_nothing(
    exported: Exported, log: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    send, sent = AIOKafkaProducer.send_batch, 0

    async def lose_first(self: Any, batch: Any, topic: str, *, partition: int) -> Any:
        nonlocal sent
        sent += 1
        if sent > 1:
            return await send(self, batch, topic, partition=partition)
        lost = asyncio.get_running_loop().create_future()
        lost.set_exception(KafkaTimeoutError())
        return lost

    monkeypatch.setattr(AIOKafkaProducer, "send_batch", lose_first)
    spin = next(event for event in log if event.header.type == "slot.spun")
    # Half a kilobyte in the header, so that these events of one player are several batches.
    header = msgspec.structs.replace(spin.header, tier="V" * 512)
    for number in range(500):
        place = EventId(PARTITION, 1, number)
        await exported.insert(msgspec.structs.replace(spin, id=place, header=header))
    async with exported.publisher():
        await exported.until_published()
    found = await exported.read(500)
    assert sent >= 3, "the lost one, and several when all is sent again"
    assert [message.event_id for message in by_the_rule(found)] == [event.id for event in exported.log]


async def test_given_a_broker_that_comes_back_empty_when_publishing_then_it_goes_on_in_a_new_generation(
    exported: Exported, log: list[Event]
) -> None:
    await exported.append(log)
    later = repeated(log, 200)
    async with exported.publisher() as publisher:
        await exported.until_published()
        with restarted(exported.kafka):
            for event in later:
                await exported.insert(event)
            await exported.until_published()
            assert publisher.status.state == "following"
            found = by_the_rule(await exported.read(len(later)))
            assert {message.event_id for message in found} >= {event.id for event in later[1:]}
            assert await exported.generation() >= 1


async def test_given_a_broker_that_comes_back_empty_when_nothing_is_published_then_that_is_noticed_too(
    exported: Exported, log: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "_LOOK_S", 0.05)
    await exported.append(log)

    async def noticed() -> bool:
        return await exported.generation() == 1

    async with exported.publisher():
        await exported.until_published()
        with restarted(exported.kafka):
            await until(noticed, "a new generation")


async def test_given_no_broker_when_players_play_then_postgres_has_it_all_and_the_broker_gets_it_later(
    casino: Casino, exported: Exported
) -> None:
    exported.kafka.kill()
    async with exported.publisher() as publisher, casino.daemon():
        await casino.until_open()
        for uid in (1, 2, 3):
            await casino.pull(uid)
        await casino.until_caught_up()

        async def unreachable() -> bool:
            return publisher.status.state == "unreachable"

        await until(unreachable, "the publisher to say that the broker is away")
        assert "KafkaConnectionError" in publisher.status.detail
        exported.log = await casino.log()
        with Kafka.start(exported.kafka.data_dir, port=exported.kafka.port):
            await exported.until_published()
            await exported.require_published_once()


async def test_given_a_broker_that_does_not_answer_when_told_to_stop_then_the_publisher_ends(
    exported: Exported, log: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "STOP_PATIENCE_S", 0.2)
    os.kill(exported.kafka.pid, signal.SIGSTOP)
    try:
        await exported.append(log)
        async with asyncio.timeout(REQUEST_TIMEOUT_MS / 1000), exported.publisher():

            async def served() -> bool:
                found: bool = await exported.connection.fetchval(
                    "SELECT seen_at IS NOT NULL FROM sinks WHERE sink = 'kafka'"
                )
                return found

            await until(served, "the publisher to have begun")
    finally:
        os.kill(exported.kafka.pid, signal.SIGCONT)
    assert await exported.cursor() == BEGINNING


async def test_given_a_broker_without_idempotent_producers_when_opened_then_a_plain_one_is_used(
    exported: Exported,
) -> None:
    producer = await Producer.open(exported.settings)
    try:
        assert producer._producer._txn_manager is None
    finally:
        await producer.close()


async def test_given_a_broker_with_idempotent_producers_when_opened_then_one_is_used(
    exported: Exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def has_id(self: Any) -> None:
        """As if the broker had given the producer an id."""

    monkeypatch.setattr(AIOKafkaProducer, "start", has_id)
    producer = await Producer(exported.settings)._start_producer()
    assert producer._txn_manager is not None
    await _abandon(producer)


def test_given_the_failure_of_a_start_when_judged_then_only_the_brokers_own_answer_refuses_idempotence() -> (
    None
):
    assert refuses_idempotence(UnknownError())
    assert not refuses_idempotence(KafkaConnectionError())
    assert not refuses_idempotence(TimeoutError())
