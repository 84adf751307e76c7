"""Dead letters of the ClickHouse sink: looked at, and inserted once the cause is gone."""

import datetime
from collections.abc import AsyncIterator, Sequence
from typing import Final, NamedTuple

import asyncpg

from croupier.clickhouse import ClickHouse, Refused
from croupier_schemas.events import EventId
from croupier_sync.export.failures import ERROR_LENGTH_MAX
from croupier_sync.export.log import read_events
from croupier_sync.export.messages import Renderer
from croupier_sync.export.rows import NotARow, Row, row_of
from croupier_sync.export.writer import insert

_LIST = """
SELECT id, sink, partition, epoch, seq, topic, topic_partition, topic_offset, error, created_at, replays
FROM export_failures ORDER BY epoch, seq, partition, id
"""
_TAKE = "SELECT value FROM export_failures WHERE id = $1 FOR UPDATE"
_REMOVE = "DELETE FROM export_failures WHERE id = $1"
_FAILED_AGAIN = "UPDATE export_failures SET error = $2, replays = replays + 1 WHERE id = $1"
# Later than every batch until now, so that a count that is under way does not pass for one of this day.
_CHANGED = """
INSERT INTO clickhouse_days (day, batch) VALUES ($1, nextval(pg_get_serial_sequence('clickhouse_batches', 'id')))
ON CONFLICT (day) DO UPDATE SET batch = excluded.batch
"""
_THERE: Final = """
SELECT count() AS there FROM game_events
WHERE toDate(created_at) = {day:Date} AND partition = {partition:UInt32} AND epoch = {epoch:UInt64}
  AND seq = {seq:UInt64}
"""


class ExportLetter(NamedTuple):
    """What a sink could not take. `event` is None where the message does not tell, `message` where there was none.

    `message` is where it stood: topic, partition and offset, joined by slashes. `replays` counts in vain.
    """

    id: int
    sink: str
    event: EventId | None
    message: str
    error: str
    created_at: datetime.datetime
    replays: int

    @property
    def name(self) -> str:
        """What it is called on the command line."""
        return str(self.event) if self.event else self.message


class ExportReplayed(NamedTuple):
    """What came of one. `error` is empty where ClickHouse has it now."""

    letter: ExportLetter
    error: str


async def export_letters(connection: asyncpg.Connection) -> list[ExportLetter]:
    """All of them in the order of their events; those without one come last."""
    return [
        ExportLetter(
            row["id"],
            row["sink"],
            None if row["seq"] is None else EventId(row["partition"], row["epoch"], row["seq"]),
            "" if row["topic"] is None else f"{row['topic']}/{row['topic_partition']}/{row['topic_offset']}",
            row["error"],
            row["created_at"],
            row["replays"],
        )
        for row in await connection.fetch(_LIST)
    ]


async def replay_export(
    connection: asyncpg.Connection,
    clickhouse: ClickHouse,
    letters: Sequence[ExportLetter],
    purchases_topic: str,
) -> AsyncIterator[ExportReplayed]:
    """Insert these, in the order given, each at most once; the sink goes on meanwhile.

    An event is made into a row from the log, whatever its message was. A letter that is gone is passed over in silence.
    Raises Away, and asyncpg's errors where Postgres is away; what was replayed until then stays.
    """
    renderer = Renderer(purchases_topic)
    for letter in letters:
        try:
            if await _replay(connection, clickhouse, renderer, letter):
                yield ExportReplayed(letter, "")
        except (NotARow, Refused) as failure:
            error = str(failure)[:ERROR_LENGTH_MAX].replace("\0", "\\0")
            await connection.execute(_FAILED_AGAIN, letter.id, error)
            yield ExportReplayed(letter, error)


async def _replay(
    connection: asyncpg.Connection, clickhouse: ClickHouse, renderer: Renderer, letter: ExportLetter
) -> bool:
    """Whether ClickHouse has it now; False where the letter was gone already. Raises NotARow, Refused, Away.

    The sink takes an event among the dead letters for one that ClickHouse has, so nobody else inserts it; and should
    this end between the insert and the commit, the same token follows at the next time.
    """
    async with connection.transaction():
        taken = await connection.fetchrow(_TAKE, letter.id)
        if taken is None:
            return False
        row = await _row(connection, renderer, letter, taken["value"])
        if not await _is_there(clickhouse, row):
            await insert(clickhouse, [row], f"letter-{letter.id}-{letter.created_at.timestamp()}")
        await connection.execute(_REMOVE, letter.id)
        await connection.execute(_CHANGED, row.day)
    return True


async def _row(
    connection: asyncpg.Connection, renderer: Renderer, letter: ExportLetter, value: bytes | None
) -> Row:
    """The row of a letter. Raises NotARow."""
    if letter.event is not None:
        events = await read_events(connection, [letter.event])
        await renderer.prepare(connection, events)
        for message in renderer.render(events):
            return row_of(message.value)
    return row_of(value or b"")


async def _is_there(clickhouse: ClickHouse, row: Row) -> bool:
    place = {"partition": row.id.partition, "epoch": row.id.epoch, "seq": row.id.seq}
    found = await clickhouse.fetch(_THERE, {"day": row.day, **place})
    return bool(found[0]["there"])
