"""What scripts answer: the reply to a first call, and what is kept of it for a repeated one."""

from typing import TypeVar

import msgspec

from croupier.command import Done
from croupier.scripts import Script
from croupier_schemas.events import BODY_CREATED, BODY_RATE_BLOCKED, Event, EventId

Terms = TypeVar("Terms", bound=msgspec.Struct)


def read_reply(script: Script, partition: int, economy: str, op_id: bytes, entry: bytes, body: bytes) -> Done:
    """What `include/commit.lua` answers: id of the entry (empty: no event); time, records and result."""
    ts_ms, bits, *images = script.body.unpack_from(body)
    return Done(
        event=EventId.of_entry(partition, entry) if entry else None,
        op_id=op_id,
        ts_ms=ts_ms,
        created=bool(bits & BODY_CREATED),
        rate_blocked=bool(bits & BODY_RATE_BLOCKED),
        economy=economy,
        images=tuple(images),
        result=body[script.body.size :],
        replayed=False,
    )


def keep(request_hash: bytes, op_id: bytes, economy: bytes, terms: bytes) -> bytes:
    """What is kept with the first reply to an idempotency key, beside the reply. `economy` is its version, raw."""
    return request_hash + op_id + economy + len(terms).to_bytes(2, "big") + terms


def kept_of_event(event: Event, records: int) -> bytes:
    """What `include/commit.lua` kept under the idempotency key of this event, whose first `records` changes its script
    declares. That a rate limit would have refused the call is left out, as it is for every repeat."""
    header, entry = event.header, event.id.entry.encode()
    images = [change.value or b"" for change in event.changes[:records]]
    body = b"".join(
        [event.ts_ms.to_bytes(8, "big"), bytes([BODY_CREATED if event.created else 0]), *images, event.result]
    )
    kept = keep(header.request_hash, header.op_id, header.economy, bytes(header.terms))
    return kept + bytes([len(entry)]) + entry + body


def read_kept(script: Script, partition: int, terms_type: type[Terms], first: bytes) -> tuple[Done, Terms]:
    """What `include/gate.lua` answers to a repeated key: the rest of `keep`, length and text of the id, body."""
    op_id, economy = first[:16], first[16:48].hex()
    terms_end = 50 + int.from_bytes(first[48:50], "big")
    body_at = terms_end + 1 + first[terms_end]
    done = read_reply(script, partition, economy, op_id, first[terms_end + 1 : body_at], first[body_at:])
    terms = msgspec.msgpack.decode(first[50:terms_end], type=terms_type)
    return msgspec.structs.replace(done, replayed=True, rate_blocked=False), terms


def of_event(script: Script, terms_type: type[Terms], event: Event) -> tuple[Done, Terms]:
    """The reply of the command that appended this event, long after the idempotency key is gone."""
    done = Done(
        event=event.id,
        op_id=event.header.op_id,
        ts_ms=event.ts_ms,
        created=event.created,
        rate_blocked=False,
        economy=event.header.economy.hex(),
        images=tuple(change.value or b"" for change in event.changes[: len(script.states)]),
        result=event.result,
        replayed=True,
    )
    return done, msgspec.msgpack.decode(event.header.terms, type=terms_type)
