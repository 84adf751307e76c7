"""The mirror: the durable part of Redis in Postgres, from the after-images of events."""

from collections.abc import Iterable
from typing import NamedTuple

import asyncpg

from croupier_schemas.events import Event, EventId

_DELETE = "DELETE FROM mirror WHERE partition = $1 AND key = ANY($2::text[])"
_UPSERT = """
INSERT INTO mirror (partition, key, field, value, epoch, seq)
SELECT $1, key, field, value, $2, seq
FROM unnest($3::text[], $4::text[], $5::bytea[], $6::bigint[]) AS image(key, field, value, seq)
ON CONFLICT (partition, key, field) DO UPDATE
SET value = excluded.value, epoch = excluded.epoch, seq = excluded.seq
"""


class Image(NamedTuple):
    """What a key or field holds, and the event that wrote it."""

    value: bytes
    seq: int


class Folded(NamedTuple):
    """The outcome of a batch: keys whose old rows go first, then one image per (key, field)."""

    gone: set[str]
    images: dict[tuple[str, str], Image]


def fold(events: Iterable[Event]) -> Folded:
    """Play the after-images in order. A key that is gone takes all its fields with it."""
    gone: set[str] = set()
    by_key: dict[str, dict[str, Image]] = {}
    for event in events:
        for change in event.changes:
            if change.value is None:
                gone.add(change.key)
                by_key.pop(change.key, None)
            else:
                by_key.setdefault(change.key, {})[change.field] = Image(change.value, event.id.seq)
    return Folded(
        gone, {(key, field): image for key, fields in by_key.items() for field, image in fields.items()}
    )


async def write(connection: asyncpg.Connection, first: EventId, folded: Folded) -> None:
    """Bring the mirror to where the events, all of the first one's partition and epoch, leave it."""
    partition, epoch = first.partition, first.epoch
    gone, images = folded
    if gone:
        await connection.execute(_DELETE, partition, list(gone))
    if images:
        await connection.execute(
            _UPSERT,
            partition,
            epoch,
            [key for key, _ in images],
            [field for _, field in images],
            [value for value, _ in images.values()],
            [seq for _, seq in images.values()],
        )
