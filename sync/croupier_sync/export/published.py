"""What the publisher has put into Kafka's topics, as it stands in Postgres: the agreement with who reads them there.

A broker may come back without its messages, and then be filled again beyond the offsets that were in use before. So
offsets alone do not tell a reader that it misses something. The publisher does: each acknowledged message must stand at
the offset that the one before left off at, and where it does not, a new generation begins, in the same transaction that
moves the cursor. A reader that must have every event therefore

- takes no message of an event beyond `places`, read after the message was fetched; it comes to it a moment later;
- is complete up to `places` as soon as it has come to `ends`, both of one reading;
- begins anew where the generation is another one, or an offset of its own is not there any more: it reads the ends of
  the topics, then the last event that Postgres has, takes from Postgres what it lacks up to that event, and goes on
  in the topics from those ends. Whatever comes after them that it has taken already was sent again.
"""

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

import asyncpg

from croupier_sync.export.cursors import Place, move_cursor, read_cursors

TopicPartition: TypeAlias = tuple[str, int]
"""A topic and the number of a partition of it."""

_GENERATION = "SELECT generation FROM topic_generation"
_ENDS = "SELECT topic, topic_partition, batch_offset, end_offset FROM topic_ends"
_SET_END = """
INSERT INTO topic_ends (topic, topic_partition, batch_offset, end_offset) VALUES ($1, $2, $3, $4)
ON CONFLICT (topic, topic_partition)
DO UPDATE SET batch_offset = excluded.batch_offset, end_offset = excluded.end_offset
"""
_FORGET_ENDS = "DELETE FROM topic_ends"
_NEXT_GENERATION = "UPDATE topic_generation SET generation = generation + 1"


class End(NamedTuple):
    """The offset that follows the last message acknowledged, and that of the first one of its batch."""

    batch_offset: int
    offset: int


class Published(NamedTuple):
    """How far the publisher has come, by partition of the log; and the end of each topic partition that it has used."""

    generation: int
    places: dict[int, Place]
    ends: dict[TopicPartition, End]


async def read_published(connection: asyncpg.Connection) -> Published:
    """What is published, as one transaction left it."""
    async with connection.transaction(isolation="repeatable_read"):
        places = await read_cursors(connection, "kafka")
        ends = {(row[0], row[1]): End(row[2], row[3]) for row in await connection.fetch(_ENDS)}
        return Published(await connection.fetchval(_GENERATION), places, ends)


async def record_published(
    connection: asyncpg.Connection,
    partition: int,
    before: Place,
    after: Place,
    ends: Mapping[TopicPartition, End],
    *,
    begins_generation: bool,
) -> None:
    """Move the publisher's cursor of a partition, and say where the topics end now.

    Raises Superseded where another daemon has moved the cursor; nothing is written then.
    """
    async with connection.transaction():
        await move_cursor(connection, "kafka", partition, before, after)
        await connection.executemany(_SET_END, [(*place, *end) for place, end in ends.items()])
        if begins_generation:
            await connection.execute(_NEXT_GENERATION)


async def record_lost(connection: asyncpg.Connection, published: Published) -> None:
    """Begin a generation because messages are gone; all ends are forgotten.

    Raises Superseded where another daemon has moved a cursor; nothing is written then.
    """
    async with connection.transaction():
        for partition, place in published.places.items():
            await move_cursor(connection, "kafka", partition, place, place)
        await connection.execute(_FORGET_ENDS)
        await connection.execute(_NEXT_GENERATION)
