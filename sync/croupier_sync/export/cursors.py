"""How far each sink has come, in Postgres, and the compare-and-set that moves it."""

from typing import Final, Literal, NamedTuple

import asyncpg

from croupier.partition import PARTITIONS
from croupier_schemas.events import EventId
from croupier_sync.errors import Superseded

SinkName = Literal["kafka", "clickhouse"]

_ADD = """
INSERT INTO sink_cursors (sink, partition) SELECT $1, generate_series(0, $2::int - 1) ON CONFLICT DO NOTHING
"""
_READ = "SELECT partition, epoch, seq FROM sink_cursors WHERE sink = $1"
_MOVE = """
UPDATE sink_cursors SET epoch = $5, seq = $6, updated_at = clock_timestamp()
WHERE sink = $1 AND partition = $2 AND (epoch, seq) = ($3::bigint, $4::bigint)
RETURNING true
"""


class Place(NamedTuple):
    """A place in a partition's log: that of the last event taken. Later is greater."""

    epoch: int
    seq: int

    @classmethod
    def of(cls, event: EventId) -> "Place":
        """The place of an event."""
        return cls(event.epoch, event.seq)


BEGINNING: Final = Place(0, -1)
"""Before the first event of any log."""


async def add_cursors(connection: asyncpg.Connection, sink: SinkName) -> None:
    """Make the sink's cursors that are missing, at `BEGINNING`."""
    await connection.execute(_ADD, sink, PARTITIONS)


async def read_cursors(connection: asyncpg.Connection, sink: SinkName) -> dict[int, Place]:
    """The sink's cursor of each partition."""
    rows = await connection.fetch(_READ, sink)
    places = {row["partition"]: Place(row["epoch"], row["seq"]) for row in rows}
    return dict.fromkeys(range(PARTITIONS), BEGINNING) | places


async def move_cursor(
    connection: asyncpg.Connection, sink: SinkName, partition: int, before: Place, after: Place
) -> None:
    """Move the cursor from one place to another. Raises Superseded where it is not at `before` any more."""
    if not await connection.fetchval(_MOVE, sink, partition, *before, *after):
        raise Superseded(f"the cursor of sink {sink} was moved by another daemon")
