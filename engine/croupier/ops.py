"""What became of an attempt: `applied`, `not_applied`, or `unknown` where neither can be said for certain.

An attempt whose connection broke may have run, may still lie in a socket, or may never arrive. That it was applied is
shown by its event. That it was not is shown by its time being over, and by no event having come before that:

1. The server's clock is read first. Once it is past the attempt's lifetime, whatever is found later can no longer
   change: the script refuses to run from then on, so the event is in the log already or will never be.
2. Then the outbox, from Postgres' cursor on. The cursor is read before it: all that stood up to there is in Postgres.
3. Then Postgres. An entry leaves the outbox only after Postgres has it, so an event that was trimmed away before or
   during the second look is found by the third. The other way round it could slip from the one to the other unseen.
4. Last the head and the clock again: the outbox counts only if it had its name all the while.

An epoch that Postgres has handed to another server makes this one's outbox worthless: what it holds beyond Postgres is
on a fork, and what the other server did is not in it.

Postgres alone can show that an attempt was not applied, also while Redis is away: where its log ends with an event from
after the attempt's time, or where it has gone on beyond the epoch in which alone the attempt may have run (`doubts`).
But what an adoption has left out of its log may have been any attempt of that time; and a clock that is behind the
log's end has gone back.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import structlog

from croupier.clock import utc
from croupier.command import Caller
from croupier.errors import CroupierError
from croupier.op_id import OP_LIFETIME_MS, made_ms
from croupier.paging import QUERY_TIMEOUT_S
from croupier.partition import PARTITIONS, Head, PartitionError, read_head
from croupier.postgres import fetchrow, is_away
from croupier.query import Query, Sources
from croupier.transport import TransportError
from croupier_schemas import keys
from croupier_schemas.events import EventId, decode_entry
from croupier_schemas.ops import OpQuery, OpReply

if TYPE_CHECKING:
    import asyncpg

    from croupier.engine import Engine

log = structlog.get_logger(__name__)

CHUNK = 1_000
CHUNKS_MAX = 50
"""The outbox is read so far, newest first. In what is older nothing is looked for, so nothing can be ruled out."""

_ATTEMPTS = 2
"""A push of an economy renames the outbox; that it does so twice within one look is left at `unknown`."""

_CURSOR = "SELECT epoch, seq, op_id FROM partitions WHERE partition = $1 AND epoch IS NOT NULL"
# One statement, so that the event is looked for in the log of that very epoch.
_EVENT = """
SELECT p.taken_epoch, p.taken_identity, p.epoch AS log_epoch, p.ts_ms AS log_ms, e.epoch, e.seq, e.type, e.uid,
  (SELECT max(f.ts_ms) FROM adoptions a JOIN events f ON f.partition = a.partition
   AND f.epoch = split_part(a.first_entry, '-', 1)::bigint AND f.seq = split_part(a.first_entry, '-', 2)::bigint
   WHERE a.partition = p.partition) AS gap_ms
FROM partitions p LEFT JOIN events e ON e.partition = p.partition AND e.op_id = $2
WHERE p.partition = $1
ORDER BY e.epoch DESC, e.seq DESC
LIMIT 1
"""


class _Found(NamedTuple):
    """The event of the attempt. `durable` is None where Postgres could not be asked."""

    id: EventId
    type: str
    uid: int
    durable: bool | None


class _Look(NamedTuple):
    """One partition: the event, or whether it can be ruled out that there is or will be one."""

    found: _Found | None
    ruled_out: bool
    at_ms: int


class _Server(NamedTuple):
    """The open partition on the connection of that number, and the server's clock, Unix time in ms."""

    connection_number: int
    head: Head
    now_ms: int


class _Scan(NamedTuple):
    """What a look at the outbox gave.

    `whole`: it saw every event that Postgres did not have when the cursor was read. `newest_ms` is the time of the last
    event, Unix time in ms.
    """

    found: _Found | None
    whole: bool
    newest_ms: int


_NOT_SCANNED = _Scan(None, whole=False, newest_ms=0)


async def ask(sources: Sources, caller: Caller, params: OpQuery) -> OpReply:
    """What became of the attempt of that id. Somebody else's is `unknown` to all but administrators.

    Raises CroupierError OVERLOADED where this process is looking for as many others already as Redis has time for.
    """
    op_id = bytes.fromhex(params.op_id)
    admin = caller.role == "admin"
    if sources.engine.lookups.locked():
        raise CroupierError("OVERLOADED", retry_after_s=1)
    async with sources.engine.lookups:
        # The id does not say whose attempt it was, so it is ruled out only where no partition has it.
        looks = [await _look(sources, partition, op_id) for partition in range(PARTITIONS)]
    checked_at = utc(min(look.at_ms for look in looks))
    found = next((look.found for look in looks if look.found), None)
    if found is not None and (admin or found.uid == caller.uid):
        return OpReply(params.op_id, "applied", str(found.id), found.type, found.durable, checked_at)
    ruled_out = found is None and all(look.ruled_out for look in looks)
    return OpReply(params.op_id, "not_applied" if ruled_out else "unknown", None, None, None, checked_at)


async def _look(sources: Sources, partition: int, op_id: bytes) -> _Look:
    """Look in the order that the head of this file explains."""
    engine, pool = sources.engine, sources.postgres
    at_ms = engine.now_ms()
    for _ in range(_ATTEMPTS):
        before = await _server(engine, partition)
        cursor = await _row(pool, _CURSOR, partition)
        scan = await _scan(engine, partition, before.head, op_id, cursor) if before else _NOT_SCANNED
        row = await _row(pool, _EVENT, partition, op_id)
        if before is not None:
            at_ms = before.now_ms
        if row is not None and row["epoch"] is not None:
            event_id = EventId(partition, row["epoch"], row["seq"])
            return _Look(_Found(event_id, row["type"], row["uid"], durable=True), False, at_ms)
        if row is not None and _is_in_gap(row, op_id):
            return _Look(None, False, at_ms)
        superseded = row is not None and before is not None and _is_superseded(row, before.head)
        if scan.found is not None:
            found = None if superseded else scan.found._replace(durable=None if row is None else False)
            return _Look(found, False, at_ms)
        if row is not None and _is_not_in_log(engine, partition, row, op_id, at_ms):
            return _Look(None, True, at_ms)
        if before is None or superseded:
            return _Look(None, False, at_ms)
        after = await _server(engine, partition)
        if after is not None and after.head != before.head:
            continue
        asked = pool is None or row is not None
        # With an injected clock a command carries its time with it, and runs by that whenever it arrives.
        timed = engine.injected_clock is None
        ruled_out = asked and timed and scan.whole and _is_over(op_id, before, scan, after)
        return _Look(None, ruled_out, at_ms)
    return _Look(None, False, at_ms)


def _is_in_gap(row: "asyncpg.Record", op_id: bytes) -> bool:
    """Whether the event may be one that an adoption has left out. Its time is within a lifetime of the id's."""
    return row["gap_ms"] is not None and made_ms(op_id) - OP_LIFETIME_MS <= row["gap_ms"]


def _is_superseded(row: "asyncpg.Record", head: Head) -> bool:
    """Whether Postgres has handed the next epoch to another server."""
    return (row["taken_epoch"], row["taken_identity"]) != (head.epoch, head.identity)


def _is_not_in_log(
    engine: "Engine", partition: int, row: "asyncpg.Record", op_id: bytes, now_ms: int
) -> bool:
    """Whether the log of Postgres, which has no event of the attempt, never will have one.

    That its last event is from after the attempt's time shows nothing where the server's clock, `now_ms`, is behind
    that event: it has gone back, and what was done since is still to come to Postgres.
    """
    if row["log_epoch"] is None:
        return False
    epoch = engine.doubts.epoch(partition, op_id)
    if epoch is not None and row["log_epoch"] > epoch:
        return True
    timed = engine.injected_clock is None
    return timed and made_ms(op_id) + OP_LIFETIME_MS < row["log_ms"] <= now_ms


def _is_over(op_id: bytes, before: _Server, scan: _Scan, after: _Server | None) -> bool:
    """Whether the attempt's time was over before the looks, on a server that was the same one until after them.

    A clock that has gone back may do so again, behind the end of that time: it proves nothing.
    """
    return (
        after is not None
        and after.connection_number == before.connection_number
        and before.now_ms > made_ms(op_id) + OP_LIFETIME_MS
        and max(before.now_ms, scan.newest_ms) <= after.now_ms
    )


async def _server(engine: "Engine", partition: int) -> _Server | None:
    """None where Redis is away, or the partition is not open for the very server on this connection."""
    transport = engine.transport
    number, identity = transport.connection_number, str(transport.identity)
    try:
        head = await read_head(transport, partition)
        time = await _read(engine, "TIME")
    except (TransportError, PartitionError) as error:
        log.warning("cannot look an operation up in Redis", partition=partition, error=str(error))
        return None
    if head is None or not head.fence or head.identity != identity:
        return None
    if number != transport.connection_number:
        return None
    return _Server(number, head, int(time[0]) * 1000 + int(time[1]) // 1000)


async def _scan(
    engine: "Engine", partition: int, head: Head, op_id: bytes, cursor: "asyncpg.Record | None"
) -> _Scan:
    """Read the outbox from its end back to the cursor's own entry; without a cursor, to its beginning."""
    stream = keys.outbox(partition, head.fence)
    first, last = f"{cursor['epoch']}-{cursor['seq']}" if cursor else "-", "+"
    newest_ms, oldest = 0, None
    try:
        for _ in range(CHUNKS_MAX):
            entries = await _read(engine, "XREVRANGE", stream, last, first, "COUNT", CHUNK)
            if entries:
                oldest = entries[-1]
                last = f"({oldest[0].decode()}"
                newest_ms = newest_ms or decode_entry(partition, *entries[0]).ts_ms
            if found := _find(partition, entries, op_id):
                return _Scan(found, False, newest_ms)
            if len(entries) < CHUNK:
                whole = (
                    _is_cursor(partition, oldest, cursor) if cursor else await _never_trimmed(engine, stream)
                )
                return _Scan(None, whole, newest_ms)
    except TransportError as error:
        log.warning("cannot look an operation up in the outbox", partition=partition, error=str(error))
    return _NOT_SCANNED


def _find(partition: int, entries: Sequence[Any], op_id: bytes) -> _Found | None:
    """The event of that attempt. Only headers that have the id's bytes somewhere are decoded."""
    for entry, fields in entries:
        if op_id in fields[1]:
            event = decode_entry(partition, entry, fields)
            if event.header.op_id == op_id:
                return _Found(event.id, event.header.type, event.header.uid, durable=None)
    return None


def _is_cursor(partition: int, oldest: Any, cursor: "asyncpg.Record") -> bool:
    """Whether the look ended at the event that Postgres remembers; else there is a gap, or this is a fork."""
    if oldest is None:
        return False
    event = decode_entry(partition, *oldest)
    return (event.id.epoch, event.id.seq, event.header.op_id) == tuple(cursor)


async def _never_trimmed(engine: "Engine", stream: str) -> bool:
    """Whether the stream still holds every entry that was ever added to it."""
    info = await _read(engine, "XINFO", "STREAM", stream)
    facts = dict(zip(info[::2], info[1::2], strict=True))
    return bool(facts[b"length"] == facts[b"entries-added"])


async def _read(engine: "Engine", *command: str | int) -> Any:
    return await engine.transport.call(*command, timeout_s=engine.settings.command_timeout_seconds)


async def _row(pool: "asyncpg.Pool | None", statement: str, *arguments: object) -> "asyncpg.Record | None":
    """A row from Postgres; None where there is none, or no Postgres, or it is away."""
    if pool is None:
        return None
    try:
        return await fetchrow(pool, statement, *arguments, timeout_s=QUERY_TIMEOUT_S)
    except Exception as error:
        if not is_away(error):
            raise
        log.warning("cannot look an operation up in Postgres", error=str(error) or type(error).__name__)
        return None


OP = Query(
    name="ops",
    path="/api/ops/{op_id}",
    summary="Whether an attempt was applied: for one that was answered with OUTCOME_UNKNOWN",
    params=OpQuery,
    reply=OpReply,
    answer=ask,
    without_redis=True,
    errors=("OVERLOADED",),
)
