"""Dead letters: events that a projection could not take. They are looked at, and tried again once the cause is gone.

Of such an event only the rows that are missing are written: all of them where its projection failed, those of one table
where that refused them. Event and mirror are left alone: they never lacked it.
"""

import datetime
from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple

import asyncpg

from croupier.event_log import event_of_row
from croupier.postgres import is_away
from croupier_schemas.events import EventId
from croupier_sync.digests import COLUMNS
from croupier_sync.projector import Projector, error_text

_LIST = """
SELECT partition, epoch, seq, projection, error, created_at, replays FROM projection_failures
ORDER BY epoch, seq, partition, projection
"""
# The daemon's batches lock the same row first. So each of the two sees what the other one has written, and neither
# waits for rows of the other while that waits for its own.
_TAKE_TURN = "SELECT 1 FROM partitions WHERE partition = $1 FOR UPDATE"
_PLACE = "WHERE partition = $1 AND epoch = $2 AND seq = $3 AND projection = $4"
_REMOVE = f"DELETE FROM projection_failures {_PLACE} RETURNING true"
_FAILED_AGAIN = f"UPDATE projection_failures SET error = $5, replays = replays + 1 {_PLACE}"
_EVENT = f"SELECT {', '.join(COLUMNS)} FROM events WHERE partition = $1 AND epoch = $2 AND seq = $3"


class DeadLetter(NamedTuple):
    """What could not be projected. `projection` is the event's type, or the table that refused its rows.

    `replays` counts in vain.
    """

    event: EventId
    projection: str
    error: str
    created_at: datetime.datetime
    replays: int


class Replayed(NamedTuple):
    """What came of one. `error` is empty where its rows are written now."""

    letter: DeadLetter
    error: str


async def dead_letters(connection: asyncpg.Connection) -> list[DeadLetter]:
    """All of them in the order of their events."""
    return [
        DeadLetter(EventId(*row[:3]), row["projection"], row["error"], row["created_at"], row["replays"])
        for row in await connection.fetch(_LIST)
    ]


async def replay(connection: asyncpg.Connection, letters: Sequence[DeadLetter]) -> AsyncIterator[Replayed]:
    """Try these again, in the order given, each in a transaction of its own; players and the daemon go on meanwhile.

    Rows are written at most once, whoever replays at the same time: a letter that is gone is passed over in silence.
    Raises asyncpg's errors where Postgres is away; what was replayed until then stays.
    """
    projector = Projector()
    for letter in letters:
        place = letter.event.partition, letter.event.epoch, letter.event.seq
        try:
            if await _replay(connection, projector, letter):
                yield Replayed(letter, "")
        except Exception as failure:  # whatever is wrong with it, only this event is affected
            if is_away(failure):
                raise
            await connection.execute(_FAILED_AGAIN, *place, letter.projection, error_text(failure))
            yield Replayed(letter, repr(failure))


async def _replay(connection: asyncpg.Connection, projector: Projector, letter: DeadLetter) -> bool:
    """Whether its rows are written and it is gone; False where it was gone already. What is raised leaves it there."""
    place = letter.event.partition, letter.event.epoch, letter.event.seq
    async with connection.transaction():
        await connection.execute(_TAKE_TURN, letter.event.partition)
        if not await connection.fetchval(_REMOVE, *place, letter.projection):
            return False
        event = event_of_row(letter.event, await connection.fetchrow(_EVENT, *place))
        await projector.prepare(connection, [event])
        await projector.write_missing(connection, event, letter.projection)
    return True
