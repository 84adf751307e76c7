"""Carrying the events of an open partition to Postgres."""

import asyncio
import time
from typing import TypeAlias

import asyncpg

from croupier.partition import Head, close, read_head
from croupier.scripts import Scripts
from croupier_schemas import keys
from croupier_schemas.events import Event, EventId
from croupier_sync.batch import Batch, work_out, work_out_ahead, write
from croupier_sync.batch_size import BatchSize
from croupier_sync.doorbell import Doorbell
from croupier_sync.errors import Alarm, Superseded
from croupier_sync.fanout import FanOut
from croupier_sync.limits import Limits
from croupier_sync.once import let_keys_expire
from croupier_sync.outbox import CursorMissing, diagnosis, read_after, trim
from croupier_sync.position import Position, read_position
from croupier_sync.projector import Projector
from croupier_sync.server import Server
from croupier_sync.status import Status, record

# What follows the cursor, as `_read` has it, and the batch of it, where there was time to work that out.
_Read: TypeAlias = tuple[list[Event] | None, Batch | None]


class Follower:
    """Follows the outbox that one head names, on one server."""

    def __init__(
        self,
        server: Server,
        head: Head,
        connection: asyncpg.Connection,
        scripts: Scripts,
        projector: Projector,
        limits: Limits,
        size: BatchSize,
        status: Status,
    ) -> None:
        self._server = server
        self._head = head
        self._connection = connection
        self._scripts = scripts
        self._projector = projector
        self._limits = limits
        self._size = size
        self._asked = 0  # how many events the last read was to bring at most
        self._status = status
        self._partition = status.partition
        self._stream = keys.outbox(status.partition, head.fence)
        self._fan_out = FanOut(server, status.partition)
        self._since_trim = limits.trim_every
        self._next_heartbeat_s = 0.0  # at once
        self._ahead: asyncio.Task[_Read] | None = None

    async def follow(self, stop: asyncio.Event) -> None:
        """Return when `stop` is set, when the head is no longer this one, or when the connection to Redis is another.

        Raises Alarm, with the partition closed, where Redis does not hold what Postgres holds; Superseded where
        another daemon has moved the cursor.
        """
        position = await read_position(self._connection, self._partition)
        doorbell = Doorbell(self._server.transport, self._stream)
        try:
            await self._follow(stop, position, doorbell)
        finally:
            if self._ahead is not None:
                self._ahead.cancel()
                await asyncio.gather(self._ahead, return_exceptions=True)
            await doorbell.close()

    async def _follow(self, stop: asyncio.Event, position: Position, doorbell: Doorbell) -> None:
        digest: bytes | None = None
        while not stop.is_set() and self._server.is_current:
            try:
                events, batch = await self._next(position)
                if events is None:
                    return
                full = len(events) == self._asked
                if events:
                    batch = batch or await work_out(
                        self._connection, self._projector, position, events, digest
                    )
                    digest = batch.digest
                    # Where there is more, have it ready when this is written.
                    if full:
                        self._ahead = asyncio.create_task(self._read_ahead(position.after(events), digest))
                    with self._size.learning_from(len(events)):
                        position = await write(self._connection, self._projector, position, batch)
                    # At once, so that the next batch waits for one answer; the notice first: commands wait for it.
                    await asyncio.gather(
                        self._tell(position),
                        let_keys_expire(self._server, events, self._limits.kept_s),
                        self._fan_out.publish(events),
                    )
                else:
                    await self._fan_out.publish(events)
            except Alarm:
                await self._close(position)
                raise
            self._status_at(position, len(events))
            await self._heartbeat()
            if events:
                await self._trim(len(events))
            if not full:
                await doorbell.wait(position, stop, busy=bool(events))

    async def _next(self, position: Position) -> _Read:
        if self._ahead is None:
            return await self._read(position), None
        ahead, self._ahead = self._ahead, None
        return await ahead

    async def _read_ahead(self, position: Position, digest: bytes) -> _Read:
        events = await self._read(position)
        return events, await work_out_ahead(self._projector, events or [], digest)

    async def _tell(self, position: Position) -> None:
        """Say to all workers how far Postgres has come: commands may wait for that."""
        if position.cursor is not None:
            await self._server.call("PUBLISH", keys.synced(self._partition), position.cursor.entry)

    async def _heartbeat(self) -> None:
        """Now and then: tell Postgres that this daemon is at work, and see that both are still what they were."""
        now_s = time.monotonic()
        if now_s < self._next_heartbeat_s:
            return
        self._next_heartbeat_s = now_s + self._limits.heartbeat_s
        await record(self._connection, self._status)
        await self._server.check_identity()
        taken = (await read_position(self._connection, self._partition)).taken_epoch
        if taken > self._head.epoch:
            raise Superseded(
                f"partition {self._partition} has gone on to epoch {taken}, on another Redis server or an older copy"
            )

    async def _read(self, position: Position) -> list[Event] | None:
        """What follows the cursor; None when the head has changed, as a push of an economy changes it."""
        self._asked = self._size.now
        events: list[Event] = []
        alarm: Alarm | None = None
        try:
            events = await read_after(self._server.transport, self._stream, position, self._asked)
        except CursorMissing:
            alarm = await diagnosis(self._server.transport, self._stream, position)
        # Without a cursor, a stream that is gone looks like one in which nothing has happened yet.
        if alarm is None and (events or position.cursor is not None):
            return events
        # Looked at afterwards: what was read counts only if the stream had this name all the while.
        if await read_head(self._server, self._partition) != self._head:
            return None
        if alarm is not None:
            raise alarm
        return events

    async def _close(self, position: Position) -> None:
        """Close the partition, so that nothing more is acknowledged on a log that Postgres cannot follow.

        But a daemon that has lost the partition without knowing it sees such a log too: Postgres' word decides.
        """
        if (await read_position(self._connection, self._partition)).cursor != position.cursor:
            raise Superseded(f"the cursor of partition {self._partition} was moved by another daemon")
        await close(self._server, self._scripts, self._partition, self._head)

    async def _trim(self, applied: int) -> None:
        self._since_trim += applied
        if self._since_trim >= self._limits.trim_every:
            await trim(
                self._server.transport,
                self._connection,
                self._stream,
                self._partition,
                self._limits.outbox_kept,
            )
            self._since_trim = 0

    def _status_at(self, position: Position, applied: int) -> None:
        self._status.change("following")
        self._status.applied += applied
        if position.cursor is not None:
            self._status.last_event = EventId(self._partition, position.cursor.epoch, position.cursor.seq)
