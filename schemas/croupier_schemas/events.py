"""Events: what commands did, as the outbox, Postgres and every later sink hold it.

A stream entry has the fields `h`, the header (msgpack), and `b`, the body: time (8 bytes), bits (1 byte: 1 where the
command created the player, 2 where a rate limit in shadow mode would have refused it), the after-images of the
command's records in the order that the header names them, then the result. Further fields, if any, are further
after-images: `KEY` and its bytes, `KEY#FIELD` for one field of a hash, `-KEY` for a key that is gone.
"""

from collections.abc import Sequence

import msgspec

BODY_HEAD = 9
"""Size of what comes before the records in a body: the time, and one byte of bits."""
BODY_CREATED, BODY_RATE_BLOCKED = 1, 2
"""The bits: the command created the player; a rate limit in the mode `shadow` would have refused it."""

SYSTEM = 0
"""The `uid` of events that no player caused."""


class EventId(msgspec.Struct, frozen=True, order=True):
    """Where an event stands: gapless by `seq` (from 0) within (partition, epoch). Its text form is `0-1-42`."""

    partition: int
    epoch: int
    seq: int

    def __str__(self) -> str:
        return f"{self.partition}-{self.epoch}-{self.seq}"

    @property
    def entry(self) -> str:
        """The id of its stream entry."""
        return f"{self.epoch}-{self.seq}"

    @classmethod
    def of_entry(cls, partition: int, entry: bytes) -> "EventId":
        """From the id of a stream entry, `epoch-seq`."""
        epoch, _, seq = entry.partition(b"-")
        return cls(partition, int(epoch), int(seq))

    @classmethod
    def parse(cls, text: str) -> "EventId":
        """From the text form. Raises ValueError when it is not three numbers below 2^53 joined by `-`."""
        parts = text.split("-")
        if len(parts) != 3 or not all(
            part.isascii() and part.isdigit() and len(part) <= 16 for part in parts
        ):
            raise ValueError(f"not an event id: {text[:64]!r}; it looks like 0-1-42")
        partition, epoch, seq = map(int, parts)
        if max(partition, epoch, seq) > 2**53 - 1:
            raise ValueError(f"not an event id: {text[:64]!r}; its numbers are below 2^53")
        return cls(partition, epoch, seq)


class EventHeader(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The part of an event that the engine knows before the script runs.

    `economy` is empty before the first push. `terms` is what the script was asked to do, as far as its result does not
    say (msgpack; its form depends on the type). `records` are keys and sizes of the records whose after-images follow.
    """

    type: str
    uid: int
    tier: str
    op_id: bytes
    idempotency_key: str
    request_hash: bytes
    economy: bytes
    rules: int
    terms: msgspec.Raw = msgspec.Raw(b"\xc0")
    records: tuple[tuple[str, int], ...] = ()


class Change(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An after-image. `field` is empty for a whole key; `value` is None where the key is gone."""

    key: str
    field: str
    value: bytes | None


class Event(msgspec.Struct, frozen=True, gc=False):
    """One event, decoded. `created` says that it was its player's first, so that the initial balances came with it."""

    id: EventId
    ts_ms: int
    created: bool
    header: EventHeader
    result: bytes
    changes: tuple[Change, ...]

    def image(self, key: str) -> bytes | None:
        """The new bytes of a record that this event changed; None when it did not."""
        return next((change.value for change in self.changes if change.key == key and not change.field), None)


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(EventHeader)
_changes_decoder = msgspec.msgpack.Decoder(tuple[Change, ...])


def encode_header(header: EventHeader) -> bytes:
    """The header as a stream entry's `h` field holds it."""
    return _encoder.encode(header)


def encode_changes(changes: Sequence[Change]) -> bytes:
    """After-images as Postgres' `events.changes` holds them: msgpack, a list of [key, field, value or nil]."""
    return _encoder.encode(changes)


def decode_changes(data: bytes) -> tuple[Change, ...]:
    """The inverse of `encode_changes`. Raises msgspec.DecodeError."""
    return _changes_decoder.decode(data)


def decode_entry(partition: int, entry_id: bytes, fields: Sequence[bytes]) -> Event:
    """Decode a stream entry: its id and its fields and values in turn.

    Raises ValueError (msgspec's errors included) when the entry is not an event.
    """
    if len(fields) < 4 or len(fields) % 2 or (fields[0], fields[2]) != (b"h", b"b"):
        raise ValueError(f"stream entry {entry_id!r} is not an event: its fields are {list(fields[::2])[:5]}")
    header, body = _decoder.decode(fields[1]), fields[3]
    changes, end = [], BODY_HEAD
    for key, size in header.records:
        changes.append(Change(key, "", body[end : end + size]))
        end += size
    if len(body) < end:
        raise ValueError(f"stream entry {entry_id!r} is cut short: {len(body)} bytes where {end} are needed")
    changes += [_change(fields[i], fields[i + 1]) for i in range(4, len(fields), 2)]
    return Event(
        id=EventId.of_entry(partition, entry_id),
        ts_ms=int.from_bytes(body[:8], "big"),
        created=bool(body[8] & BODY_CREATED),
        header=header,
        result=body[end:],
        changes=tuple(changes),
    )


def encode_entry(event: Event) -> list[bytes]:
    """Fields and values in turn of a stream entry from which `decode_entry` makes this event.

    Every after-image has a field of its own: which of them were records is known to none but the entry first written.
    """
    header = msgspec.structs.replace(event.header, records=())
    body = event.ts_ms.to_bytes(8, "big") + bytes([BODY_CREATED if event.created else 0]) + event.result
    fields = [b"h", encode_header(header), b"b", body]
    for change in event.changes:
        name = f"{change.key}#{change.field}" if change.field else change.key
        fields += [f"-{change.key}".encode(), b""] if change.value is None else [name.encode(), change.value]
    return fields


def _change(name: bytes, value: bytes) -> Change:
    text = name.decode()
    if text.startswith("-"):
        return Change(text[1:], "", None)
    key, _, field = text.partition("#")
    return Change(key, field, value)
