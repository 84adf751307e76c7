"""How far Postgres has followed a partition, and the two compare-and-sets that move it."""

from collections.abc import Sequence
from typing import NamedTuple, Self

import asyncpg

from croupier_schemas.events import Event
from croupier_sync.errors import Alarm, Superseded

_READ = """
SELECT epoch, seq, op_id, ts_ms, taken_epoch, taken_identity FROM partitions WHERE partition = $1
"""
# An epoch beyond the one taken is seen where Postgres was restored from a backup; it counts as taken from then on.
_ADVANCE = """
UPDATE partitions SET epoch = $5, seq = $6, op_id = $7, ts_ms = $8, taken_epoch = $5
WHERE partition = $1
  AND (epoch, seq, op_id) IS NOT DISTINCT FROM ($2::bigint, $3::bigint, $4::bytea)
  AND taken_epoch <= $5
RETURNING true
"""
_TAKE_EPOCH = """
UPDATE partitions SET taken_epoch = greatest(taken_epoch, $7) + 1, taken_identity = $6
WHERE partition = $1
  AND (epoch, seq, op_id) IS NOT DISTINCT FROM ($2::bigint, $3::bigint, $4::bytea)
  AND taken_epoch = $5
RETURNING taken_epoch
"""


class Cursor(NamedTuple):
    """The last event applied."""

    epoch: int
    seq: int
    op_id: bytes
    ts_ms: int

    @classmethod
    def at(cls, event: Event) -> Self:
        """The cursor that stands on this event."""
        return cls(event.id.epoch, event.id.seq, event.header.op_id, event.ts_ms)

    @property
    def entry(self) -> str:
        """The id of its stream entry."""
        return f"{self.epoch}-{self.seq}"


class Position(NamedTuple):
    """A partition's row. `cursor` is None before the first event; an epoch below `taken_epoch` is sealed."""

    partition: int
    cursor: Cursor | None
    taken_epoch: int
    taken_identity: str

    @property
    def compared(self) -> tuple[int, int | None, int | None, bytes | None]:
        """What both compare-and-sets compare: partition, and epoch, seq and op_id of the cursor."""
        return (self.partition, *(self.cursor[:3] if self.cursor else (None, None, None)))

    def after(self, events: Sequence[Event]) -> "Position":
        """The position once these events, which follow it, are applied."""
        cursor = Cursor.at(events[-1])
        return self._replace(cursor=cursor, taken_epoch=max(self.taken_epoch, cursor.epoch))

    def epoch_for(self, identity: str) -> int | None:
        """The epoch that was taken for this server and has not begun; None where one must be taken.

        Two openers of one server share it, so that none seals what the other opens.
        """
        if self.taken_identity == identity and self.taken_epoch > (self.cursor.epoch if self.cursor else 0):
            return self.taken_epoch
        return None


async def read_position(connection: asyncpg.Connection, partition: int) -> Position:
    """The partition's row as it is now."""
    row = await connection.fetchrow(_READ, partition)
    if row is None:
        raise Alarm("partition", f"Postgres has no partition {partition}: run `croupier migrate`")
    cursor = None if row["epoch"] is None else Cursor(row["epoch"], row["seq"], row["op_id"], row["ts_ms"])
    return Position(partition, cursor, row["taken_epoch"], row["taken_identity"])


async def advance(connection: asyncpg.Connection, position: Position, event: Event) -> Position:
    """Move the cursor to `event`, in the transaction that applies the events up to it.

    From here to the commit the row is locked. Raises Superseded where the cursor is no longer that of `position`,
    and Alarm where the event's epoch is sealed.
    """
    cursor = Cursor.at(event)
    if await connection.fetchval(_ADVANCE, *position.compared, *cursor):
        return position._replace(cursor=cursor, taken_epoch=cursor.epoch)
    now = await read_position(connection, position.partition)
    if now.cursor == position.cursor:
        raise Alarm(
            "epoch_sealed",
            f"event {event.id} comes too late: Postgres has gone on to epoch {now.taken_epoch}, "
            "on another Redis server or an older copy of this one",
        )
    raise Superseded(f"the cursor of partition {position.partition} was moved by another daemon")


async def take_epoch(
    connection: asyncpg.Connection, position: Position, identity: str, *, above: int = 0
) -> int:
    """Seal the epochs so far and take the next one for this server, in any case one above `above`.

    Raises Superseded where the row has moved.
    """
    epoch: int | None = await connection.fetchval(
        _TAKE_EPOCH, *position.compared, position.taken_epoch, identity, above
    )
    if epoch is None:
        raise Superseded(f"partition {position.partition} was opened by another daemon")
    return epoch
