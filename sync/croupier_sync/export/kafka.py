"""A connection to Kafka for publishing: missing topics are made, messages go out in order, acks are awaited."""

import asyncio
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import Any, Final, NamedTuple, Self

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaConnectionError, KafkaError, TopicAlreadyExistsError, for_code
from aiokafka.partitioner import murmur2

from croupier.settings import Settings
from croupier_schemas.messages import TOPIC_ACTIONS, TOPIC_DEAD_LETTERS, TOPIC_REWARDS
from croupier_sync.export.messages import VALUE_BYTES_MAX, Message
from croupier_sync.export.published import End
from croupier_sync.export.published import TopicPartition as Place
from croupier_sync.export.turns import Unavailable

log = structlog.get_logger(__name__)
# What goes wrong is raised as well, and told once; aiokafka would tell it at every attempt.
logging.getLogger("aiokafka").setLevel(logging.CRITICAL)

REQUEST_TIMEOUT_MS: Final = 5_000
SEND_TIMEOUT_S: Final = 15.0
"""For all messages of a call together; attempts of aiokafka to repeat what failed are in it."""

_CLOSE_TIMEOUT_S: Final = 6.0
_BATCH_BYTES: Final = 262_144
_REPLICAS_MAX: Final = 3

assert (
    VALUE_BYTES_MAX < _BATCH_BYTES
)  # a message is never larger than a batch, nor a batch than brokers usually take


class Written(NamedTuple):
    """Where a topic partition has the messages of one call: offsets of the first one, of the first one of the last
    batch, and of what follows the last one."""

    first_offset: int
    end: End
    messages: int


class Producer:
    """Sends messages. After any error it is closed and another one opened: aiokafka's does not recover from some."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._producer: Any = None
        self._consumer: Any = None
        self._partitions: dict[str, int] = {}

    @classmethod
    async def open(cls, settings: Settings) -> Self:
        """Connect, and make the topics that are missing. Raises Unavailable."""
        producer = cls(settings)
        try:
            with _told():
                async with asyncio.timeout(SEND_TIMEOUT_S):
                    await producer._open()
        except BaseException:
            await producer.close()
            raise
        return producer

    async def send(self, messages: Sequence[Message]) -> dict[Place, Written]:
        """Send, and return once all are acknowledged; where they stand in each topic partition that took some.

        In each topic partition they stand in the order given. When something fails, what was sent before it in the
        same partition, and nothing after it, may stand there. Raises Unavailable.
        """
        by_place: dict[Place, list[Message]] = {}
        for message in messages:
            place = message.topic, partition_of(message.key, self._partitions[message.topic])
            by_place.setdefault(place, []).append(message)
        with _told():
            async with asyncio.timeout(SEND_TIMEOUT_S), asyncio.TaskGroup() as group:
                tasks = {
                    place: group.create_task(self._send(place, some)) for place, some in by_place.items()
                }
        return {place: task.result() for place, task in tasks.items()}

    async def ends(self, places: Iterable[Place]) -> dict[Place, int]:
        """The offset at which each of these ends that are in use, as the broker says. Raises Unavailable."""
        asked = [
            TopicPartition(topic, number)
            for topic, number in places
            if number < self._partitions.get(topic, 0)
        ]
        with _told():
            async with asyncio.timeout(SEND_TIMEOUT_S):
                found = await self._consumer.end_offsets(asked) if asked else {}
        return {(place.topic, place.partition): end for place, end in found.items()}

    async def close(self) -> None:
        """Let go at once: what has not been acknowledged is sent again by another producer."""
        if self._producer is not None:
            await _abandon(self._producer)
        if self._consumer is not None:
            with suppress(KafkaError, OSError, TimeoutError):
                async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                    await self._consumer.stop()

    async def _open(self) -> None:
        await make_topics(self._settings)
        self._producer = await self._start_producer()
        for topic in topics(self._settings):
            self._partitions[topic] = len(await self._producer.partitions_for(topic))
        self._consumer = AIOKafkaConsumer(enable_auto_commit=False, **_address(self._settings))
        await self._consumer.start()

    async def _start_producer(self) -> Any:
        """An idempotent producer, where the broker has that; else a plain one."""
        for idempotent in (True, False):
            producer = AIOKafkaProducer(
                acks="all",
                enable_idempotence=idempotent,
                max_batch_size=_BATCH_BYTES,
                max_request_size=2 * _BATCH_BYTES,
                **_address(self._settings),
            )
            try:
                await producer.start()
            except BaseException as error:
                await _abandon(producer)
                if idempotent and refuses_idempotence(error):
                    log.debug("the broker has no idempotent producer", error=repr(error))
                    continue
                raise
            return producer
        raise AssertionError("the plain producer has started, or raised")

    async def _send(self, place: Place, messages: Sequence[Message]) -> Written:
        """Send to one topic partition, each batch when the one before is acknowledged.

        Were one of several under way lost, and the next not, whoever reads would take the lost one, when it comes
        again, for what it has had.
        """
        first: int | None = None
        end = End(0, 0)
        for batch in self._batches(messages):
            written = await (await self._producer.send_batch(batch, place[0], partition=place[1]))
            if written.offset < 0:  # known to the broker from an attempt whose answer was lost
                raise Unavailable(f"{place[0]} has messages whose place is not known")
            first = written.offset if first is None else first
            end = End(written.offset, written.offset + batch.record_count())
        assert first is not None
        return Written(first, end, len(messages))

    def _batches(self, messages: Sequence[Message]) -> Iterator[Any]:
        batch = self._producer.create_batch()
        for message in messages:
            _, key, value, headers, ts_ms = message
            if batch.append(timestamp=ts_ms, key=key, value=value, headers=headers) is None:
                yield batch
                batch = self._producer.create_batch()
                batch.append(timestamp=ts_ms, key=key, value=value, headers=headers)
        batch.close()
        yield batch


def topics(settings: Settings) -> Sequence[str]:
    """The topics that there must be."""
    return TOPIC_ACTIONS, TOPIC_REWARDS, settings.kafka_purchases_topic, TOPIC_DEAD_LETTERS


async def make_topics(settings: Settings) -> None:
    """Make the topics that are missing. Raises Unavailable, and what Kafka's client raises."""
    admin = AIOKafkaAdminClient(**_address(settings))
    try:
        await admin.start()
        missing = set(topics(settings)) - set(await admin.list_topics())
        if not missing:
            return
        brokers = len((await admin.describe_cluster())["brokers"])
        partitions, replicas = settings.kafka_topic_partitions, max(1, min(_REPLICAS_MAX, brokers))
        made = await admin.create_topics([NewTopic(topic, partitions, replicas) for topic in sorted(missing)])
        for topic, code, *message in made.topic_errors:
            error = for_code(code)
            if code == 0:
                log.info("topic made", topic=topic, partitions=partitions, replicas=replicas)
            elif error is not TopicAlreadyExistsError:
                raise Unavailable(f"topic {topic} cannot be made: {error.__name__} {message}")
    finally:
        await admin.close()


@lru_cache(maxsize=65_536)
def partition_of(key: bytes, partitions: int) -> int:
    """Which partition of a topic a key belongs to, as the clients of Apache Kafka have it."""
    hashed: int = murmur2(key) & 0x7FFFFFFF
    return hashed % partitions


def refuses_idempotence(error: BaseException) -> bool:
    """Whether a producer's start failed because the broker has no idempotent ones, as far as that can be told.

    Brokers say so in different ways; where it was something else, the start of a plain producer fails as well.
    """
    return isinstance(error, KafkaError) and not isinstance(error, KafkaConnectionError)


def _address(settings: Settings) -> Mapping[str, Any]:
    return {
        "bootstrap_servers": settings.kafka_bootstrap_servers.split(","),
        "client_id": "croupier-export",
        "request_timeout_ms": REQUEST_TIMEOUT_MS,
    }


@contextmanager
def _told() -> Iterator[None]:
    """Turn whatever Kafka's client raises into Unavailable."""
    try:
        yield
    except Exception as raised:
        error: BaseException = raised
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        if isinstance(error, TimeoutError):
            raise Unavailable("Kafka does not answer") from None
        if isinstance(error, KafkaError | OSError):
            raise Unavailable(f"Kafka: {error!r}") from None
        raise error from None


async def _abandon(producer: Any) -> None:
    """End a producer, which by itself would first send what is left, for ever where it is idempotent."""
    producer._closed = True
    with suppress(KafkaError, OSError, TimeoutError):
        async with asyncio.timeout(_CLOSE_TIMEOUT_S):
            await producer._sender.close()
            await producer.client.close()
