"""The sink Kafka: every event of the log goes to one topic, in the order of the log for each player."""

import asyncio
import time
from collections.abc import Mapping
from typing import Final, NamedTuple

import asyncpg
import structlog

from croupier.partition import PARTITIONS
from croupier.settings import Settings
from croupier_sync.export.cursors import Place
from croupier_sync.export.kafka import Producer, Written
from croupier_sync.export.log import read_after
from croupier_sync.export.messages import Message, Renderer
from croupier_sync.export.published import (
    Published,
    TopicPartition,
    read_published,
    record_lost,
    record_published,
)
from croupier_sync.export.turns import Status
from croupier_sync.pause import pause
from croupier_sync.work import beside

log = structlog.get_logger(__name__)

BATCH_MAX: Final = 2_000
"""Events that are read, rendered and sent at a time; as many more are held while they are sent."""

_POLL_S: Final = 0.05
_LOOK_S: Final = 2.0


class _Batch(NamedTuple):
    """Messages of events that follow one another in a partition's log, and the place of the last."""

    partition: int
    before: Place
    after: Place
    messages: list[Message]


class Publisher:
    """Publishes from the cursor on. Events whose acks, or whose new cursor, were lost are published again."""

    def __init__(self, settings: Settings, batch_max: int = BATCH_MAX) -> None:
        self.status = Status("kafka")
        self._settings = settings
        self._batch_max = batch_max
        self._renderer = Renderer(settings.kafka_purchases_topic)

    async def follow(self, connection: asyncpg.Connection, stop: asyncio.Event) -> None:
        """Publish until `stop` is set. Raises Unavailable, Superseded and asyncpg's errors."""
        producer = await Producer.open(self._settings)
        try:
            await _Following(self, connection, producer, await read_published(connection)).follow(stop)
        finally:
            await producer.close()

    async def read(self, connection: asyncpg.Connection, partition: int, place: Place) -> _Batch | None:
        """The next batch after a place; None where there is nothing."""
        events = await read_after(connection, partition, place, self._batch_max)
        if not events:
            return None
        await self._renderer.prepare(connection, events)
        messages = await beside(self._renderer.render, events)
        return _Batch(partition, place, Place.of(events[-1].id), messages)


class _Following:
    """What is known while one producer is in use."""

    def __init__(
        self, publisher: Publisher, connection: asyncpg.Connection, producer: Producer, published: Published
    ) -> None:
        self._publisher = publisher
        self._connection = connection
        self._producer = producer
        self._published = published
        self._looked_s = 0.0

    async def follow(self, stop: asyncio.Event) -> None:
        await self._look_for_loss()
        while not stop.is_set():
            found = [await self._publish(partition, stop) for partition in range(PARTITIONS)]
            if not any(found):
                self._publisher.status.change("following")
                if time.monotonic() - self._looked_s > _LOOK_S:
                    await self._look_for_loss()
                await pause(stop, _POLL_S)

    async def _publish(self, partition: int, stop: asyncio.Event) -> bool:
        """Publish what there is of a partition, or until `stop` is set. Returns whether there was anything."""
        batch = await self._read(partition, self._published.places[partition])
        found = batch is not None
        while batch is not None:
            sending = asyncio.create_task(self._producer.send(batch.messages))
            try:
                # Meanwhile the next one is read and rendered; where this one fails, it is thrown away.
                following = None if stop.is_set() else await self._read(partition, batch.after)
                written = await sending
            finally:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)
            await self._record(batch, written)
            self._publisher.status.change("following")
            batch = following
        return found

    async def _read(self, partition: int, place: Place) -> _Batch | None:
        return await self._publisher.read(self._connection, partition, place)

    async def _record(self, batch: _Batch, written: Mapping[TopicPartition, Written]) -> None:
        """Move the cursor; begin a generation where messages do not stand where the ones before left off."""
        known = self._published.ends
        moved = sorted(
            place
            for place, (first, end, messages) in written.items()
            if end.offset - first != messages or (place in known and known[place].offset != first)
        )
        if moved:
            log.warning("messages were lost, or stand there twice: a new generation begins", places=moved)
        ends = {place: each.end for place, each in written.items()}
        await record_published(
            self._connection, batch.partition, batch.before, batch.after, ends, begins_generation=bool(moved)
        )
        self._published = Published(
            self._published.generation + bool(moved),
            {**self._published.places, batch.partition: batch.after},
            {**known, **ends},
        )

    async def _look_for_loss(self) -> None:
        """Begin a generation where the last messages are not there any more; the next ones would find that too."""
        self._looked_s = time.monotonic()
        known = self._published.ends
        ends = await self._producer.ends(known)
        # Tansu says of a topic partition that it ends with the first message of its last batch.
        if lost := sorted(place for place, end in ends.items() if end <= known[place].batch_offset):
            log.warning("published messages are gone: a new generation begins", places=lost)
            await record_lost(self._connection, self._published)
            self._published = await read_published(self._connection)
