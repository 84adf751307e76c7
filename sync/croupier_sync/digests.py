"""The chain of digests over the event log: each event's covers its columns and the digest of the event before."""

from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Any, TypeAlias

import msgspec

from croupier_schemas.events import Event, encode_changes

COLUMNS = (
    "partition", "epoch", "seq", "ts_ms", "created", "type", "uid", "tier", "op_id", "idempotency_key", "request_hash",
    "economy", "rules", "terms", "result", "changes",
)  # fmt: skip
"""The columns of `events` that a digest covers, in its order."""

EventRow: TypeAlias = tuple[Any, ...]
"""An event as those columns hold it."""

_SIZE = 16
_encode = msgspec.msgpack.Encoder().encode


def row_of(event: Event) -> EventRow:
    """What `COLUMNS` hold of an event."""
    header = event.header
    return (
        event.id.partition, event.id.epoch, event.id.seq, event.ts_ms, event.created, header.type, header.uid,
        header.tier, header.op_id, header.idempotency_key, header.request_hash, header.economy, header.rules,
        bytes(header.terms), event.result, encode_changes(event.changes),
    )  # fmt: skip


def digest_of(before: bytes, row: EventRow) -> bytes:
    """The digest, 16 bytes, of an event that follows one with digest `before` (empty: none, or without a digest)."""
    return sha256(before + _encode(row)).digest()[:_SIZE]


def chained(before: bytes, events: Iterable[Event]) -> Iterator[EventRow]:
    """The rows of events in a row, each with its digest behind the other columns."""
    for event in events:
        row = row_of(event)
        before = digest_of(before, row)
        yield (*row, before)
