"""Reading the topics for ClickHouse: from offsets of its own, and no further than the publisher says it has come.

The agreement with the publisher is in `published`.
"""

import asyncio
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Self

import asyncpg
import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as KafkaPlace
from aiokafka.errors import KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError

from croupier.settings import Settings
from croupier_schemas.events import EventId
from croupier_schemas.messages import TOPIC_ACTIONS, TOPIC_REWARDS
from croupier_sync.errors import Superseded
from croupier_sync.export.batches import Batch, put
from croupier_sync.export.carrying import BATCH_MAX, GATHER_S, Carrier
from croupier_sync.export.cursors import BEGINNING, Place, move_cursor
from croupier_sync.export.failures import DeadLetters, Failure, Origin
from croupier_sync.export.kafka import make_topics
from croupier_sync.export.messages import Message
from croupier_sync.export.published import Published, TopicPartition, read_published
from croupier_sync.export.rows import NotARow, Row, row_of
from croupier_sync.export.taken import Taken
from croupier_sync.export.turns import Unavailable
from croupier_sync.export.writer import Writer
from croupier_sync.work import beside

log = structlog.get_logger(__name__)

_POLL_MS: Final = 100
_REQUEST_TIMEOUT_MS: Final = 5_000
_ANSWER_TIMEOUT_S: Final = 15.0
_FETCH_BYTES: Final = 4 * 2**20

_READ = "SELECT topic, topic_partition, generation, next_offset FROM clickhouse_offsets"
_FORGET = "DELETE FROM clickhouse_offsets"
_SET = (
    "INSERT INTO clickhouse_offsets (topic, topic_partition, generation, next_offset) VALUES ($1, $2, $3, $4)"
)
_MOVE = """
UPDATE clickhouse_offsets SET next_offset = $5
WHERE topic = $1 AND topic_partition = $2 AND generation = $3 AND next_offset = $4
RETURNING true
"""


class Lost(Exception):
    """The topics are not those any more that the offsets are of."""


class Read(NamedTuple):
    """A message that was read: its row, or why it has none. `event` is None where it does not tell."""

    offset: int
    event: EventId | None
    row: Row | None
    failure: Failure | None


class Topics:
    """A connection to Kafka that reads whole topics, without a group."""

    def __init__(self, consumer: Any, places: Sequence[TopicPartition]) -> None:
        self._consumer = consumer
        self.places = places

    @classmethod
    async def open(cls, settings: Settings) -> Self:
        """Connect, and make the topics that are missing. Raises Unavailable."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=settings.kafka_bootstrap_servers.split(","),
            client_id="croupier-clickhouse",
            request_timeout_ms=_REQUEST_TIMEOUT_MS,
            enable_auto_commit=False,
            auto_offset_reset="none",
            max_partition_fetch_bytes=_FETCH_BYTES,
        )
        try:
            async with asyncio.timeout(_ANSWER_TIMEOUT_S):
                # A broker that came back empty may lack the topics for which nothing is to be published now.
                await make_topics(settings)
                await consumer.start()
                await consumer.topics()
            names = (TOPIC_ACTIONS, TOPIC_REWARDS, settings.kafka_purchases_topic)
            places = [
                (name, number)
                for name in names
                for number in sorted(consumer.partitions_for_topic(name) or ())
            ]
            if missing := set(names) - {name for name, _ in places}:
                raise Unavailable(f"Kafka has no topic {min(missing)} yet")
            consumer.assign([KafkaPlace(*place) for place in places])
        except BaseException as error:
            await consumer.stop()
            if isinstance(error, KafkaError | OSError):
                raise Unavailable(f"Kafka: {error!r}") from error
            raise
        return cls(consumer, places)

    async def ends(self) -> dict[TopicPartition, int]:
        """Where each ends. Raises Unavailable."""
        try:
            async with asyncio.timeout(_ANSWER_TIMEOUT_S):
                ends = await self._consumer.end_offsets([KafkaPlace(*place) for place in self.places])
        except (KafkaError, OSError) as error:
            raise Unavailable(f"Kafka: {error!r}") from error
        return {(place.topic, place.partition): end for place, end in ends.items()}

    def seek(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Read on from these offsets."""
        for place, offset in offsets.items():
            self._consumer.seek(KafkaPlace(*place), offset)

    async def read(self, messages_max: int) -> dict[TopicPartition, list[Any]]:
        """What comes within a moment. Raises Lost and Unavailable."""
        try:
            found = await self._consumer.getmany(timeout_ms=_POLL_MS, max_records=messages_max)
        except (OffsetOutOfRangeError, NoOffsetForPartitionError) as error:
            raise Lost(repr(error)) from error
        except (KafkaError, OSError) as error:
            raise Unavailable(f"Kafka: {error!r}") from error
        return {(place.topic, place.partition): messages for place, messages in found.items()}

    async def close(self) -> None:
        await self._consumer.stop()


class Reader:
    """Takes what the topics bring, as far as it is published, and has it inserted."""

    def __init__(
        self,
        topics: Topics,
        carrier: Carrier,
        writer: Writer,
        letters: DeadLetters,
        taken: Taken,
        batch_max: int = BATCH_MAX,
    ) -> None:
        self._topics = topics
        self._carrier = carrier
        self._writer = writer
        self._letters = letters
        self._taken = taken
        self._batch_max = batch_max
        self._generation = -1
        self._offsets: dict[TopicPartition, int] = {}
        self._waiting: dict[TopicPartition, deque[Read]] = {}
        self._goal: Published | None = None
        self._next_s = 0.0

    async def begin(self, connection: asyncpg.Connection, stop: asyncio.Event) -> None:
        """Go on at the offsets that Postgres has, or anew where they are of other topics. Raises as `read` does."""
        rows = await connection.fetch(_READ)
        published = await read_published(connection)
        self._offsets = {(row["topic"], row["topic_partition"]): row["next_offset"] for row in rows}
        if set(self._offsets) != set(self._topics.places) or any(
            row["generation"] != published.generation for row in rows
        ):
            await self._begin_anew(connection, stop)
            return
        self._read_on(published.generation)

    async def read(self, connection: asyncpg.Connection, stop: asyncio.Event) -> None:
        """Read for a moment, and insert what has gathered. Raises Away, Unavailable, Superseded."""
        try:
            room = self._batch_max - sum(map(len, self._waiting.values()))
            if room > 0:
                for place, messages in (await self._topics.read(room)).items():
                    self._waiting[place].extend(await beside(_read, messages))
            published = await read_published(connection)
            if published.generation != self._generation:
                raise Lost(f"generation {published.generation} of the topics has begun")
        except Lost as lost:
            log.warning(
                "the topics have lost messages: ClickHouse takes from Postgres what it lacks", why=str(lost)
            )
            await self._begin_anew(connection, stop)
            return
        if room <= 0 or time.monotonic() >= self._next_s:
            await self._take(connection, published)
        await self._note_complete(connection, published)

    async def _take(self, connection: asyncpg.Connection, published: Published) -> None:
        """Take what waits, as far as it is published: it stands in the topics as Postgres says."""
        reads: list[tuple[TopicPartition, Read]] = []
        for place, waiting in self._waiting.items():
            while waiting and _is_published(waiting[0], published):
                reads.append((place, waiting.popleft()))
        if not reads:
            return
        self._next_s = time.monotonic() + GATHER_S
        rows, failures = self._lacking(read for _, read in reads)
        await self._letters.publish(failures)
        offsets = {place: read.offset + 1 for place, read in reads}
        batch: Batch | None = None
        async with connection.transaction():
            for place, offset in offsets.items():
                await self._move(connection, place, offset)
            await self._letters.record(connection, failures)
            if rows:
                batch = await put(connection, [row.id for row in rows])
        self._offsets.update(offsets)
        if batch is not None:
            await self._writer.write(connection, batch, rows)

    def _lacking(self, reads: Iterable[Read]) -> tuple[list[Row], list[Failure]]:
        """Of these messages the rows that are to be inserted, and those that cannot be; from now on they are taken."""
        rows, failures = [], []
        for read in reads:
            if read.event is not None:
                if read.event in self._taken:
                    continue
                self._taken.add((read.event,))
            if read.row is not None:
                rows.append(read.row)
            elif read.failure is not None:
                failures.append(read.failure)
        return rows, failures

    async def _move(self, connection: asyncpg.Connection, place: TopicPartition, offset: int) -> None:
        before = self._offsets[place]
        if not await connection.fetchval(_MOVE, *place, self._generation, before, offset):
            raise Superseded(f"the offset of {place} was moved by another daemon")

    async def _note_complete(self, connection: asyncpg.Connection, published: Published) -> None:
        """Move the cursor to where the publisher was at some time, when all that it had sent by then is taken."""
        self._goal = goal = self._goal or published
        if unknown := published.ends.keys() - self._offsets.keys():
            raise Unavailable(f"Kafka has a topic partition {min(unknown)} that is not read yet")
        if any(self._offsets.get(place, 0) < end.offset for place, end in goal.ends.items()):
            return
        self._goal = None
        for partition, place in goal.places.items():
            before = self._taken.complete.get(partition, BEGINNING)
            if before < place:
                await move_cursor(connection, "clickhouse", partition, before, place)
                self._taken.complete_up_to(partition, place)

    async def _begin_anew(self, connection: asyncpg.Connection, stop: asyncio.Event) -> None:
        """Take from the log what ClickHouse lacks, and go on where the topics ended before that."""
        self._waiting, self._goal = {}, None
        published = await read_published(connection)
        ends = await self._topics.ends()
        if not await self._carrier.catch_up(connection, stop):
            return
        async with connection.transaction():
            await connection.execute(_FORGET)
            rows = [(*place, published.generation, end) for place, end in ends.items()]
            await connection.executemany(_SET, rows)
        self._offsets = ends
        self._read_on(published.generation)

    def _read_on(self, generation: int) -> None:
        self._generation, self._goal = generation, None
        self._waiting = {place: deque() for place in self._topics.places}
        self._topics.seek(self._offsets)


def _read(messages: Sequence[Any]) -> list[Read]:
    return [_read_one(message) for message in messages]


def _read_one(message: Any) -> Read:
    try:
        row = row_of(message.value or b"")
        return Read(message.offset, row.id, row, None)
    except NotARow as error:
        headers = list(message.headers)
        event = _event_of(headers)
        copy = Message(message.topic, message.key or b"", message.value or b"", headers, message.timestamp)
        origin = Origin(message.topic, message.partition, message.offset)
        return Read(message.offset, event, None, Failure(event, origin, copy, str(error)))


def _event_of(headers: Sequence[tuple[str, bytes]]) -> EventId | None:
    """The event that the headers name; None where they name none."""
    named = dict(headers)
    try:
        text = "-".join(named[name].decode() for name in ("partition", "epoch", "seq"))
        return EventId.parse(text)
    except (KeyError, ValueError):
        return None


def _is_published(read: Read, published: Published) -> bool:
    event = read.event
    return event is None or Place.of(event) <= published.places.get(event.partition, BEGINNING)
