"""Dead letters of the ClickHouse sink: messages and events that it cannot take, while the rest goes on."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import asyncpg
import msgspec

from croupier.settings import Settings
from croupier_schemas.events import EventId
from croupier_schemas.messages import TOPIC_DEAD_LETTERS
from croupier_sync.export.messages import Message

VALUE_BYTES_MAX: Final = 65_536
ERROR_LENGTH_MAX: Final = 500

_RECORD = """
INSERT INTO export_failures
  (sink, partition, epoch, seq, topic, topic_partition, topic_offset, key, value, headers, error)
VALUES ('clickhouse', $1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT DO NOTHING
"""


class Origin(NamedTuple):
    """Where in Kafka a message stands."""

    topic: str
    topic_partition: int
    offset: int


class Failure(NamedTuple):
    """What could not be taken, and why. `event` is None where the message does not tell, `origin` outside of Kafka."""

    event: EventId | None
    origin: Origin | None
    message: Message
    error: str


class DeadLetters:
    """Where failures go: to a table, and with Kafka to the topic of dead letters before."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def publish(self, failures: Sequence[Failure]) -> None:
        """Send them to the topic, where there is Kafka; again, should `record` not follow. Raises Unavailable."""
        if not failures or not self._settings.kafka_on:
            return
        from croupier_sync.export.kafka import Producer  # aiokafka takes its time to import

        producer = await Producer.open(self._settings)
        try:
            await producer.send([_letter(failure) for failure in failures])
        finally:
            await producer.close()

    async def record(self, connection: asyncpg.Connection, failures: Sequence[Failure]) -> None:
        """Write them to the table, in the transaction that leaves them behind. One that is there stays as it is."""
        await connection.executemany(_RECORD, [_record(failure) for failure in failures])


def _record(failure: Failure) -> tuple[object, ...]:
    event, origin, message = failure.event, failure.origin, failure.message
    headers = {name: value.decode(errors="replace").replace("\0", "") for name, value in message.headers}
    return (
        *((event.partition, event.epoch, event.seq) if event else (None, None, None)),
        *(origin or (None, None, None)),
        message.key,
        message.value[:VALUE_BYTES_MAX],
        msgspec.json.encode(headers).decode(),
        failure.error[:ERROR_LENGTH_MAX].replace("\0", "\\0"),
    )


def _letter(failure: Failure) -> Message:
    """The message as it was, with headers that say where it comes from, and why it is here."""
    origin, message = failure.origin, failure.message
    why = [
        ("dead-letter-sink", b"clickhouse"),
        ("dead-letter-error", failure.error[:ERROR_LENGTH_MAX].encode()),
    ]
    if origin is not None:
        why += [
            ("dead-letter-topic", origin.topic.encode()),
            ("dead-letter-partition", str(origin.topic_partition).encode()),
            ("dead-letter-offset", str(origin.offset).encode()),
        ]
    return message._replace(topic=TOPIC_DEAD_LETTERS, headers=[*message.headers, *why])
