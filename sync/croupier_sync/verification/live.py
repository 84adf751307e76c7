"""Redis compared with the mirror, at a moment at which both are to be the same."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import Final, Literal, NamedTuple, TypeAlias

import asyncpg

from croupier.partition import read_head
from croupier_schemas import keys
from croupier_schemas.events import EventId, decode_entry
from croupier_sync.position import read_position
from croupier_sync.rebuild import Entry, mirror_entries, redis_entries
from croupier_sync.server import Server
from croupier_sync.verification.findings import Findings

ATTEMPTS_MAX: Final = 5
_PAUSE_S: Final = 0.2
# While the names of the keys are gathered, which may take long, a stand-by would take silence for death.
_SIGN_OF_LIFE: Final = "SELECT 1"

Compared: TypeAlias = Literal["equal", "differs", "moving"]
"""`moving`: something was written to Redis each time that it was looked at, or Postgres is still behind."""


class End(NamedTuple):
    """The last event of one side's log. `op_id` is empty where it is an entry that is no event."""

    epoch: int
    seq: int
    op_id: bytes

    def of(self, partition: int) -> EventId:
        """The event's id."""
        return EventId(partition, self.epoch, self.seq)


async def compare(
    server: Server, connection: asyncpg.Connection, partition: int, findings: Findings
) -> Compared:
    """Compare the durable keys of Redis with the mirror, while no event comes in between.

    Where Redis' log ends before Postgres' and goes on doing so, or with another event in the same place, Redis has lost
    what Postgres holds, and no key is compared. Raises PartitionError, TransportError and asyncpg's errors.
    """
    lost: set[str] = set()  # what was said of Redis in each attempt
    for attempt in range(ATTEMPTS_MAX):
        await asyncio.sleep(_PAUSE_S * bool(attempt))
        before = await last_event(server, partition)
        position = await read_position(connection, partition)
        held = End(*position.cursor[:3]) if position.cursor else None
        lost.add(_lost(partition, before, held))
        if before != held:
            continue
        differences = Findings()
        await _find_differences(server, connection, partition, differences)
        if (
            await last_event(server, partition) != before
            or await read_position(connection, partition) != position
        ):
            continue
        findings.absorb(differences)
        return "differs" if differences.total else "equal"
    if len(lost) == 1 and (sentence := lost.pop()):
        findings.add("redis", sentence)
        return "differs"
    return "moving"


def _lost(partition: int, redis: End | None, postgres: End | None) -> str:
    """A sentence where Redis' log lacks what Postgres' has; empty where it has as much."""
    if postgres is None or redis == postgres or (redis is not None and redis[:2] > postgres[:2]):
        return ""
    if redis is None:
        return f"Redis has no event, and Postgres has events up to {postgres.of(partition)}"
    if redis[:2] == postgres[:2]:
        return f"Redis ends with another event {redis.of(partition)} than Postgres"
    return (
        f"Redis ends at event {redis.of(partition)}, and Postgres has events up to {postgres.of(partition)}"
    )


async def last_event(server: Server, partition: int) -> End | None:
    """The last event of the outbox, open or closed; None where it has none."""
    head = await read_head(server, partition)
    fence = head.fence if head is not None else ""
    stream = keys.outbox(partition, fence) if fence else keys.outbox_closed(partition)
    match await server.call("XREVRANGE", stream, "+", "-", "COUNT", 1):
        case [[bytes(entry), list(fields)], *_]:
            return _end_of(partition, entry, fields)
    return None


def _end_of(partition: int, entry: bytes, fields: Sequence[bytes]) -> End:
    event_id = EventId.of_entry(partition, entry)
    try:
        op_id = decode_entry(partition, entry, fields).header.op_id
    except (ValueError, OverflowError):
        op_id = b""
    return End(event_id.epoch, event_id.seq, op_id)


async def _find_differences(
    server: Server, connection: asyncpg.Connection, partition: int, findings: Findings
) -> None:
    """A sentence for each key or field that is not the same. Both sides come in the same order, and are merged."""

    async def sign_of_life() -> None:
        await connection.execute(_SIGN_OF_LIFE)

    async with (
        aclosing(_each(mirror_entries(connection, partition))) as mirror,
        aclosing(_each(redis_entries(server, partition, alive=sign_of_life))) as redis,
    ):
        ours, theirs = await anext(mirror, None), await anext(redis, None)
        while ours is not None or theirs is not None:
            if theirs is None or (ours is not None and ours[:2] < theirs[:2]):
                assert ours is not None
                findings.add("redis", f"Redis lacks {_name(ours)}")
                ours = await anext(mirror, None)
            elif ours is None or theirs[:2] < ours[:2]:
                findings.add("redis", f"Redis has {_name(theirs)}, which the mirror lacks")
                theirs = await anext(redis, None)
            else:
                if ours[2] != theirs[2]:
                    findings.add("redis", f"Redis holds other bytes in {_name(ours)} than the mirror")
                ours, theirs = await anext(mirror, None), await anext(redis, None)


async def _each(parts: AsyncIterator[list[Entry]]) -> AsyncGenerator[Entry, None]:
    async for part in parts:
        for entry in part:
            yield entry


def _name(entry: Entry) -> str:
    key, field, _ = entry
    return f"{key.decode()} {field.decode()}".rstrip()
