"""Healing: a partition whose Redis lost events, or has some that Postgres will never take, is made from Postgres again.

It is closed, so nobody writes. The healer takes an epoch in Postgres, which seals those before it, marks the head with
it, and compares the two logs. Where they have an event in common, Redis held at that event what the mirror held then;
so the keys that either log changed afterwards are brought to what the mirror holds now, and the others are right
already. Else every key is written anew. Then the log begins with Postgres' last event, the new epoch follows it, and
the partition is open.

Every write is absolute and bears the mark. A healer that does not come to its end leaves the mark behind, by which the
next opener knows that the keys may be half written: it takes another epoch and writes all of them anew.
"""

import time
from collections.abc import Iterable
from typing import Final, Literal, TypeAlias

import asyncpg
import structlog

import croupier_lua
from croupier import partition as partitions
from croupier.event_log import event_of_row
from croupier.partition import Head, Healed, PartitionError
from croupier.scripts import Scripts
from croupier_schemas.events import Event, EventId, encode_entry
from croupier_sync import restoring
from croupier_sync.comparing import Comparison, compare
from croupier_sync.errors import Alarm, Reason
from croupier_sync.installation import Installation
from croupier_sync.limits import Limits
from croupier_sync.marked import MarkedPartition
from croupier_sync.position import Position, take_epoch
from croupier_sync.rebuild import Progress, Rebuilt, rebuild
from croupier_sync.server import Server

log = structlog.get_logger(__name__)

MISSING_MAX: Final = 100_000
"""With more events missing than this, nearly every key has changed: writing all of them is no slower."""
_NAMED_IN_LOG: Final = 100

UNFINISHED: Final = "unfinished"
RESTORE: Final = "restore"
Cause: TypeAlias = Reason | Literal["unfinished", "restore"]
"""Why a partition is healed: the reason of the alarm; a healer before did not come to its end; an operator asked."""

_EVENT = """
SELECT ts_ms, created, type, uid, tier, op_id, idempotency_key, request_hash, economy, rules, terms, result, changes
FROM events WHERE partition = $1 AND epoch = $2 AND seq = $3
"""
# Every event names the version that it was made under; the one that put it in force may be lost in an adopted gap.
_ECONOMY = """
SELECT economy FROM events WHERE partition = $1 AND economy <> '' ORDER BY epoch DESC, seq DESC LIMIT 1
"""
_SIGN_OF_LIFE = "SELECT 1"
_BEGIN = """
INSERT INTO heals (partition, epoch, cause, from_entry, common_entry, forked, missing, rebuilt)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""
_END = "UPDATE heals SET seconds = $3 WHERE partition = $1 AND epoch = $2"


class Healer:
    """Heals one partition."""

    def __init__(
        self,
        connection: asyncpg.Connection,
        scripts: Scripts,
        partition: int,
        limits: Limits,
        progress: Progress | None = None,
    ) -> None:
        self._connection = connection
        self._scripts = scripts
        self._partition = partition
        self._limits = limits
        self._progress = progress
        self.rebuilt: Rebuilt | None = None  # what was written where every key was

    async def heal(
        self,
        server: Server,
        installation: Installation,
        head: Head | None,
        position: Position,
        now_ms: int,
        cause: Cause,
    ) -> None:
        """Heal the closed partition and open it. Does nothing more where another healer or opener is faster.

        `position` is from before it was closed. `now_ms` is the server's clock. `cause` is the alarm's reason,
        UNFINISHED where another healer has left its mark, or RESTORE; the last two write every key.

        Raises Alarm `event_conflict` where Postgres does not agree with itself, PartitionError where its events are of
        newer code, Superseded, TransportError, and asyncpg's errors.
        """
        started_s = time.monotonic()
        last = await self._last_event(position)
        epoch = await take_epoch(self._connection, position, server.identity, above=head.epoch if head else 0)
        if not await partitions.begin_healing(server, self._scripts, self._partition, epoch):
            return
        found = await compare(server, self._connection, self._partition)
        whole = cause in (UNFINISHED, RESTORE) or found.missing is None or found.missing > MISSING_MAX
        await self._connection.execute(
            _BEGIN, self._partition, epoch, cause, found.last_entry or None,
            found.common.entry if found.common else None, [each.entry for each in found.forked], found.missing, whole,
        )  # fmt: skip
        marked = MarkedPartition(server, self._scripts, self._partition, epoch)
        if whole:
            await self._write_all(server, marked)
        else:
            await self._write_changed(marked, found)
        await marked.write_each(
            restoring.replies(
                self._connection, self._scripts, self._partition, None if whole else found.common,
                now_ms=now_ms, kept_ms=int(self._limits.kept_s * 1000),
            )
        )  # fmt: skip
        # One that was demoted and promoted meanwhile may have lost what was written to it.
        await server.check_identity()
        opened = await partitions.open_epoch(
            server,
            self._scripts,
            self._partition,
            identity=server.identity,
            head=head,
            epoch=epoch,
            installation=installation.id,
            last_entry=found.last_entry,
            healed=Healed(await self._economy(), (last.id.entry, encode_entry(last)) if last else None),
        )
        if opened:
            await self._report(epoch, cause, found, whole, time.monotonic() - started_s)

    async def _last_event(self, position: Position) -> Event | None:
        """The event at the cursor, with which the log is to begin."""
        cursor = position.cursor
        if cursor is None:
            return None
        event_id = EventId(self._partition, cursor.epoch, cursor.seq)
        row = await self._connection.fetchrow(_EVENT, self._partition, cursor.epoch, cursor.seq)
        if row is None or row["op_id"] != cursor.op_id:
            raise Alarm(
                "event_conflict",
                f"Postgres' own log does not have event {event_id} as its cursor remembers it: "
                "restore Postgres from its backup",
            )
        if row["rules"] > croupier_lua.RULES:
            raise PartitionError(
                f"event {event_id} was made by scripts of version {row['rules']}, and this is version "
                f"{croupier_lua.RULES}: upgrade croupier"
            )
        return event_of_row(event_id, row)

    async def _economy(self) -> str:
        """The version that Postgres' log leaves in force."""
        version = await self._connection.fetchval(_ECONOMY, self._partition)
        return version.hex() if version else ""

    async def _write_changed(self, marked: MarkedPartition, found: Comparison) -> None:
        """Bring what either log changed to what the mirror holds."""
        assert found.common is not None
        names = await restoring.changed_since(self._connection, found.common)
        names.update(name for each in found.forked for name in each.changed)
        await marked.write_each(restoring.mirrored(self._connection, self._partition, names))
        await marked.write(("DEL", each.idempotency) for each in found.forked if each.idempotency)

    async def _write_all(self, server: Server, marked: MarkedPartition) -> None:
        """Drop what there is and write the mirror."""
        async for commands in restoring.dropped(server, self._partition):
            await marked.write(commands)
            await self._connection.execute(_SIGN_OF_LIFE)  # a stand-by would take silence for death
        self.rebuilt = await rebuild(marked, self._connection, self._partition, self._progress)
        await marked.write_each(restoring.indexes(self._connection, self._partition))

    async def _report(self, epoch: int, cause: Cause, found: Comparison, whole: bool, seconds: float) -> None:
        await self._connection.execute(_END, self._partition, epoch, seconds)
        log.warning(
            "partition healed",
            partition=self._partition,
            epoch=epoch,
            cause=cause,
            common=str(found.common) if found.common else None,
            undone=len(found.forked),
            undone_events=_named(self._partition, (each.entry for each in found.forked[:_NAMED_IN_LOG])),
            missing=found.missing,
            rebuilt=whole,
            seconds=round(seconds, 3),
        )


def _named(partition: int, entries: Iterable[str]) -> list[str]:
    return [f"{partition}-{entry}" for entry in entries]
