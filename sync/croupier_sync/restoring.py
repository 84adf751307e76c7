"""What a partition in Redis must hold, as commands that write it: all made from the mirror and the events in Postgres.

Whole keys are replaced. Of records only the durable bytes come back; seeds and rate logs behind them do not.
"""

from collections.abc import AsyncIterator, Collection, Mapping
from typing import Final

import asyncpg

from croupier.durability import ONCE_TYPES
from croupier.event_log import event_of_row
from croupier.op_id import OP_LIFETIME_MS
from croupier.reply import kept_of_event
from croupier.scripts import Scripts
from croupier.sessions.recorded import member
from croupier.sessions.rules import IDLE_MS
from croupier_schemas import keys
from croupier_schemas.events import EventId, decode_changes
from croupier_schemas.records import CRASH, SESSION
from croupier_sync.marked import Command
from croupier_sync.server import Server

AT_ONCE: Final = 500
_SCANNED_AT_ONCE: Final = 5_000

_MIRRORED = "SELECT key, field, value FROM mirror WHERE partition = $1 AND key = ANY($2::text[])"
_INDEXED = """
SELECT key, value FROM mirror WHERE partition = $1 AND (starts_with(key, $2) OR starts_with(key, $3))
"""
_CHANGED = "SELECT changes FROM events WHERE partition = $1 AND (epoch, seq) > ($2::bigint, $3::bigint)"
_BEFORE = """
SELECT epoch, seq FROM events WHERE partition = $1 AND ts_ms <= $2 ORDER BY epoch DESC, seq DESC LIMIT 1
"""
_WITH_KEYS = """
SELECT epoch, seq, ts_ms, created, type, uid, tier, op_id, idempotency_key, request_hash, economy, rules, terms, result,
  changes
FROM events WHERE partition = $1 AND (epoch, seq) > ($2::bigint, $3::bigint) AND idempotency_key <> '' AND ts_ms > $4
ORDER BY epoch, seq
"""


async def changed_since(connection: asyncpg.Connection, event: EventId) -> set[str]:
    """The keys that the events after this one changed."""
    changed: set[str] = set()
    async with connection.transaction():
        cursor = await connection.cursor(_CHANGED, event.partition, event.epoch, event.seq)
        while rows := await cursor.fetch(AT_ONCE):
            for row in rows:
                changed.update(change.key for change in decode_changes(row["changes"]))
    return changed


async def mirrored(
    connection: asyncpg.Connection, partition: int, names: Collection[str]
) -> AsyncIterator[list[Command]]:
    """Bring these keys, and their places in the indexes, to what the mirror holds; they go where it holds nothing."""
    ordered = sorted(names)
    for start in range(0, len(ordered), AT_ONCE):
        some = ordered[start : start + AT_ONCE]
        held: dict[str, dict[str, bytes]] = {}
        for row in await connection.fetch(_MIRRORED, partition, some):
            held.setdefault(row["key"], {})[row["field"]] = row["value"]
        yield [command for name in some for command in _replace(partition, name, held.get(name, {}))]


def _replace(partition: int, name: str, fields: Mapping[str, bytes]) -> list[Command]:
    commands: list[Command] = [("DEL", name)]
    if "" in fields:
        commands.append(("SET", name, fields[""]))
    elif fields:
        commands.append(("HSET", name, *(part for pair in fields.items() for part in pair)))
    return [*commands, *_indexed(partition, name, fields.get(""))]


async def indexes(connection: asyncpg.Connection, partition: int) -> AsyncIterator[list[Command]]:
    """Fill the indexes of open bets and sessions, which are empty."""
    prefixes = f"{{{partition}}}:crash:", f"{{{partition}}}:session:"
    async with connection.transaction():
        cursor = await connection.cursor(_INDEXED, partition, *prefixes)
        while rows := await cursor.fetch(AT_ONCE):
            yield [
                command
                for row in rows
                for command in _indexed(partition, row["key"], row["value"])
                if command[0] == "ZADD"
            ]


def _indexed(partition: int, name: str, record: bytes | None) -> list[Command]:
    """Where the indexes must have a record, and that they have it nowhere else."""
    kind, _, place = name.partition(":")[2].partition(":")
    if kind == "crash":
        crash = CRASH.unpack(record) if record else None
        index = keys.crash_open(partition)
        return [
            ("ZADD", index, crash.started_at_ms, place) if crash and crash.bet else ("ZREM", index, place)
        ]
    if kind == "session":
        uid, _, game = place.partition(":")
        session = SESSION.unpack(record) if record else None
        index, entry = keys.session_open(partition), member(int(uid), game)
        is_open = session is not None and not session.ended_at_ms
        return [
            ("ZADD", index, session.last_at_ms + IDLE_MS, entry)
            if session is not None and is_open
            else ("ZREM", index, entry)
        ]
    return []


async def replies(
    connection: asyncpg.Connection,
    scripts: Scripts,
    partition: int,
    after: EventId | None,
    *,
    now_ms: int,
    kept_ms: int,
) -> AsyncIterator[list[Command]]:
    """What is kept under the idempotency keys of the events after that one (None: of all), for the time that is left.

    `kept_ms` is how long a key is kept; `now_ms` is the server's clock. What is done once, ever, stays known for at
    least as long as a command lives that has looked in Postgres before its event was there.
    """
    records = {script.emits: len(script.states) for script in map(scripts.__getitem__, scripts.names())}
    oldest_ms = now_ms - max(kept_ms, OP_LIFETIME_MS)
    start = await connection.fetchrow(_BEFORE, partition, oldest_ms)
    first = max(
        (start["epoch"], start["seq"]) if start else (0, -1), (after.epoch, after.seq) if after else (0, -1)
    )
    async with connection.transaction():
        cursor = await connection.cursor(_WITH_KEYS, partition, *first, oldest_ms)
        while rows := await cursor.fetch(AT_ONCE):
            commands: list[Command] = []
            for row in rows:
                event = event_of_row(EventId(partition, row["epoch"], row["seq"]), row)
                header = event.header
                left_ms = min(event.ts_ms + kept_ms - now_ms, kept_ms)
                if header.type in ONCE_TYPES:
                    left_ms = max(left_ms, OP_LIFETIME_MS)
                if left_ms > 0:
                    name = keys.idempotency(partition, header.uid, header.idempotency_key)
                    kept = kept_of_event(event, records[header.type])
                    commands.append(("SET", name, kept, "PX", left_ms))
            yield commands


async def dropped(server: Server, partition: int) -> AsyncIterator[list[Command]]:
    """Drop every key of the partition but its head and its closed outbox."""
    kept = {keys.head(partition).encode(), keys.outbox_closed(partition).encode()}
    cursor = b"0"
    while True:
        reply = await server.call("SCAN", cursor, "MATCH", f"{{{partition}}}:*", "COUNT", _SCANNED_AT_ONCE)
        assert isinstance(reply, list)
        cursor, names = reply
        yield [("UNLINK", name) for name in names if name not in kept]
        if cursor == b"0":
            return
