"""Shared by the tests of the export: a log to be exported, publishers, and somebody who reads the topics."""

import asyncio
import json
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

import asyncpg
import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from croupier.command import Caller
from croupier.fairness.rotate import ROTATE
from croupier.op_id import OpIds
from croupier.rewards.distribute import DISTRIBUTE
from croupier.settings import Settings
from croupier_cli.embedded import Kafka
from croupier_schemas.events import Event, EventId
from croupier_schemas.fairness import FairnessRotate
from croupier_schemas.messages import TOPIC_ACTIONS, TOPIC_PURCHASES, TOPIC_REWARDS
from croupier_schemas.rewards import RewardsDistribute
from croupier_sync.batch import apply
from croupier_sync.export.cursors import Place
from croupier_sync.export.published import read_published
from croupier_sync.export.publisher import Publisher
from croupier_sync.export.turns import Turns
from croupier_sync.limits import Limits
from croupier_sync.migrations import migrate
from croupier_sync.position import read_position, take_epoch
from croupier_sync.projector import Projector
from tests.sync.play import Players
from tests.sync.support import PARTITION, Casino, until

TOPICS = (TOPIC_ACTIONS, TOPIC_REWARDS, TOPIC_PURCHASES)
TOPIC_PARTITIONS = 4
PLAYERS = (1, 2, 3, 4, 5)
IDEMPOTENCY_KEY = "a-key-of-the-client"
REWARD_KEY = "a-key-of-the-reward"
LIMITS = Limits(heartbeat_s=0.1, silence_max_s=1.0)

_played: list[Event] = []
_installation: list[str] = []


async def played(casino: Casino) -> list[Event]:
    """A log of some 60 events of every type that commands append; made once per process."""
    if not _played:
        # In a database of its own: the test's is to be filled with as much of it as the test needs.
        url = casino.database_url
        name = f"played_{uuid.uuid4().hex}"
        await casino.connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        own_url = url.replace(url.partition("?")[0].rpartition("/")[2], name, 1)
        connection = await asyncpg.connect(own_url)
        try:
            await migrate(connection)
            own = Casino.of(casino.redis_url, own_url, casino.transport, connection)
            async with asyncpg.create_pool(own_url, min_size=1, max_size=2) as pool, own.daemon():
                await _play(own, pool)
            _played.extend(await own.log())
            _installation.append(await connection.fetchval("SELECT id FROM installation"))
        finally:
            await connection.close()
            await casino.connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    return list(_played)


def installation_of_played() -> str:
    """The installation that the log is of, on which the players' seeds depend."""
    return _installation[0]


async def _play(casino: Casino, pool: asyncpg.Pool) -> None:
    await casino.until_open()
    players, rng = Players(casino, pool), Random(7)
    op_ids = OpIds(players.clock)
    for uid in PLAYERS:
        session = await players.session(uid, "slot")
        for _ in range(8):
            await players.play(rng, uid)
        await players.end(uid, session.session_id)
        await players.give(ROTATE, uid, FairnessRotate())
        admin = Caller(900, "STANDARD", "admin", op_ids.new(), IDEMPOTENCY_KEY + str(uid))
        for key in (REWARD_KEY, None):
            reward = RewardsDistribute(uid, "TOKENS", 100, "gift", key)
            await players.engine.execute(DISTRIBUTE, admin, reward)
    await casino.until_caught_up()


def repeated(log: Sequence[Event], count: int) -> list[Event]:
    """So many events that follow the log: those of the log again, after its first one, as events of their own."""
    events = []
    for number in range(count):
        event = log[1 + number % (len(log) - 1)]
        place = EventId(PARTITION, log[-1].id.epoch, log[-1].id.seq + 1 + number)
        header = msgspec.structs.replace(event.header, op_id=(10**6 + number).to_bytes(16, "big"))
        # Without what another player's reward or round would collide with.
        events.append(msgspec.structs.replace(event, id=place, header=header))
    return events


@dataclass(frozen=True)
class Read:
    """A message as a consumer gets it."""

    topic: str
    topic_partition: int
    offset: int
    key: bytes
    value: bytes
    headers: dict[str, str]
    timestamp: int

    @property
    def event_id(self) -> EventId:
        return EventId(*(int(self.headers[name]) for name in ("partition", "epoch", "seq")))

    @property
    def body(self) -> Any:
        return json.loads(self.value)


@dataclass
class Exported:
    """A Postgres with a log, and a broker; publishers come and go."""

    kafka: Kafka
    database_url: str
    connection: asyncpg.Connection
    log: list[Event] = field(default_factory=list)

    @property
    def settings(self) -> Settings:
        return Settings(
            database_url=self.database_url,
            kafka_bootstrap_servers=self.kafka.bootstrap_servers,
            kafka_topic_partitions=TOPIC_PARTITIONS,
        )

    # The log.

    async def append(self, events: Sequence[Event]) -> None:
        """Have Postgres hold further events, as the sync daemon writes them."""
        position = await read_position(self.connection, PARTITION)
        if position.cursor is None:
            await take_epoch(self.connection, position, "a server")
            position = await read_position(self.connection, PARTITION)
        await apply(self.connection, Projector(), position, events)
        self.log.extend(events)

    async def insert(self, event: Event) -> None:
        """Have Postgres hold an event that no daemon would write."""
        header = event.header
        await self.connection.execute(
            "INSERT INTO events (partition, epoch, seq, ts_ms, created, type, uid, tier, op_id, idempotency_key,"
            " request_hash, economy, rules, terms, result, changes)"
            " VALUES ($1, $2, $3, $4, false, $5, $6, $7, $8, '', '', $9, $10, $11, $12, $13)",
            *msgspec.structs.astuple(event.id), event.ts_ms, header.type, header.uid, header.tier, header.op_id,
            header.economy, header.rules, bytes(header.terms), event.result, msgspec.msgpack.encode(event.changes),
        )  # fmt: skip
        self.log.append(event)

    # Publishers.

    @asynccontextmanager
    async def publisher(self, *, batch_max: int = 2_000, limits: Limits = LIMITS) -> AsyncIterator[Publisher]:
        """A publisher as `croupier export` runs it, stopped at the end of the block."""
        publisher, stop = Publisher(self.settings, batch_max), asyncio.Event()
        running = asyncio.create_task(Turns(publisher, self.database_url, limits).run(stop))
        try:
            yield publisher
        finally:
            stop.set()
            await running

    async def until_published(self) -> None:
        """Wait until the publisher's cursor stands on the last event."""

        async def published() -> bool:
            return await self.cursor() == Place.of(self.log[-1].id)

        await until(published, f"everything to be published: {self.log[-1].id}")

    async def cursor(self) -> Place:
        return (await read_published(self.connection)).places[PARTITION]

    async def generation(self) -> int:
        return (await read_published(self.connection)).generation

    # Readers.

    async def read(self, count: int) -> list[Read]:
        """All that stands in the topics, which must be `count` messages, in the order of each topic partition."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.kafka.bootstrap_servers, enable_auto_commit=False, auto_offset_reset="none"
        )
        await consumer.start()
        try:
            places = [TopicPartition(topic, n) for topic in TOPICS for n in range(TOPIC_PARTITIONS)]
            consumer.assign(places)
            for place in places:
                consumer.seek(place, 0)
            found: list[Read] = []
            async with asyncio.timeout(20):
                while len(found) < count:
                    found += _read_of(await consumer.getmany(timeout_ms=1_000))
            return found + _read_of(await consumer.getmany(timeout_ms=100))
        finally:
            await consumer.stop()

    async def require_published_once(self) -> list[Read]:
        """Each event of the log is one message, and there is no other one."""
        found = await self.read(len(self.log))
        assert Counter(message.event_id for message in found) == Counter(event.id for event in self.log)
        return found


def _read_of(records: dict[TopicPartition, list[Any]]) -> list[Read]:
    return [
        Read(
            record.topic,
            record.partition,
            record.offset,
            record.key,
            record.value,
            {name: value.decode() for name, value in record.headers},
            record.timestamp,
        )
        for some in records.values()
        for record in some
    ]


def by_the_rule(messages: Sequence[Read]) -> list[Read]:
    """What a consumer takes that follows the documented rule: nothing that is not later than what it took before."""
    marks: dict[tuple[str, int, int], EventId] = {}
    taken = []
    for message in messages:
        place = message.topic, message.topic_partition, message.event_id.partition
        if place not in marks or message.event_id > marks[place]:
            marks[place] = message.event_id
            taken.append(message)
    return taken
