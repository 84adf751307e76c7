"""Redis compared with the mirror, at a moment at which both are to be the same."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Final, Literal, TypeAlias

import asyncpg

from croupier.partition import read_head
from croupier_schemas import keys
from croupier_sync.position import read_position
from croupier_sync.rebuild import Entry, mirror_entries, redis_entries
from croupier_sync.server import Server
from croupier_sync.verification.findings import Findings

ATTEMPTS_MAX: Final = 5
_PAUSE_S: Final = 0.2

Compared: TypeAlias = Literal["equal", "differs", "moving"]
"""`moving`: something was written to Redis each time that it was looked at, or Postgres is still behind."""


async def compare(
    server: Server, connection: asyncpg.Connection, partition: int, findings: Findings
) -> Compared:
    """Compare the durable keys of Redis with the mirror, while no event comes in between.

    Raises PartitionError, TransportError and asyncpg's errors.
    """
    for attempt in range(ATTEMPTS_MAX):
        await asyncio.sleep(_PAUSE_S * bool(attempt))
        before = await _last_entry(server, partition)
        position = await read_position(connection, partition)
        if before != (position.cursor.entry.encode() if position.cursor else None):
            continue
        differences = await _differences(server, connection, partition)
        if (
            await _last_entry(server, partition) != before
            or await read_position(connection, partition) != position
        ):
            continue
        for difference in differences:
            findings.add("redis", difference)
        return "differs" if differences else "equal"
    return "moving"


async def _last_entry(server: Server, partition: int) -> bytes | None:
    """The last entry of the outbox, open or closed; None where it has none."""
    head = await read_head(server, partition)
    fence = head.fence if head is not None else ""
    stream = keys.outbox(partition, fence) if fence else keys.outbox_closed(partition)
    match await server.call("XREVRANGE", stream, "+", "-", "COUNT", 1):
        case [[bytes(entry), *_]]:
            return entry
    return None


async def _differences(server: Server, connection: asyncpg.Connection, partition: int) -> list[str]:
    """A sentence for each key or field that is not the same. Both sides come in the same order, and are merged."""
    found = []
    async with (
        aclosing(_each(mirror_entries(connection, partition))) as mirror,
        aclosing(_each(redis_entries(server, partition))) as redis,
    ):
        ours, theirs = await anext(mirror, None), await anext(redis, None)
        while ours is not None or theirs is not None:
            if theirs is None or (ours is not None and ours[:2] < theirs[:2]):
                assert ours is not None
                found.append(f"Redis lacks {_name(ours)}")
                ours = await anext(mirror, None)
            elif ours is None or theirs[:2] < ours[:2]:
                found.append(f"Redis has {_name(theirs)}, which the mirror lacks")
                theirs = await anext(redis, None)
            else:
                if ours[2] != theirs[2]:
                    found.append(f"Redis holds other bytes in {_name(ours)} than the mirror")
                ours, theirs = await anext(mirror, None), await anext(redis, None)
    return found


async def _each(parts: AsyncIterator[list[Entry]]) -> AsyncGenerator[Entry, None]:
    async for part in parts:
        for entry in part:
            yield entry


def _name(entry: Entry) -> str:
    key, field, _ = entry
    return f"{key.decode()} {field.decode()}".rstrip()
