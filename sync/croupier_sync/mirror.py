"""The mirror: the durable part of Redis in Postgres, from the after-images of events."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import asyncpg

from croupier_schemas.events import Event

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


async def write(connection: asyncpg.Connection, events: Sequence[Event]) -> None:
    """Bring the mirror to where the events, all of one partition and epoch, leave it."""
    partition, epoch = events[0].id.partition, events[0].id.epoch
    gone, images = fold(events)
    if gone:
        await connection.execute(_DELETE, partition, list(gone))
    if images:
        await connection.execute(
            _UPSERT,
            partition,
            epoch,
            [key for key, _ in images],
            [field for _, field in images],
            [image.value for image in images.values()],
            [image.seq for image in images.values()],
        )
