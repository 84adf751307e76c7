"""Owning a partition: one daemon at a time follows it, opens it when it needs that, and survives what goes wrong."""

import asyncio
import time
from contextlib import suppress

import asyncpg
import structlog

from croupier.errors import CroupierError
from croupier.partition import PartitionError
from croupier.postgres import is_away
from croupier.scripts import Scripts
from croupier.transport import ReplyError, Transport, TransportError
from croupier_schemas.economy import Economy
from croupier_sync.batch_size import BatchSize
from croupier_sync.errors import HEALABLE, Alarm, Superseded
from croupier_sync.following import Follower
from croupier_sync.installation import read_installation
from croupier_sync.limits import (
    ALARM_POLL_S,
    DEFAULT_LIMITS,
    HEAL_PAUSE_S,
    LOCK_POLL_S,
    RETRY_PAUSE_MAX_S,
    RETRY_PAUSE_MIN_S,
    Limits,
)
from croupier_sync.opening import Opener
from croupier_sync.pause import Backoff, pause
from croupier_sync.postgres import connect, disconnect, end_silent_owner, try_lock
from croupier_sync.projector import Projector
from croupier_sync.push import push
from croupier_sync.server import Server
from croupier_sync.status import Status, record

log = structlog.get_logger(__name__)


class PartitionSync:
    """The sync of one partition. Any number of daemons may run it: one works, the others wait for its turn to end.

    `economy` is put in force where there is none yet. The transport must be open.
    """

    def __init__(
        self,
        transport: Transport,
        database_url: str,
        partition: int,
        economy: Economy,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self._transport = transport
        self._database_url = database_url
        self._partition = partition
        self._economy = economy
        self._limits = limits
        self._size = BatchSize(limits.batch_max)
        self._scripts = Scripts()
        self._backoff = Backoff(RETRY_PAUSE_MIN_S, RETRY_PAUSE_MAX_S)
        self.projector = Projector()
        self.status = Status(partition)

    async def run(self, stop: asyncio.Event) -> None:
        """Follow the partition until `stop` is set; a batch that has begun is finished. What fails is tried again."""
        while not stop.is_set():
            try:
                await self._take_turn(stop)
            except Superseded as error:
                log.info("partition given up", partition=self._partition, detail=str(error))
            except Exception as error:
                self._status_of(error)
            await self._backoff.pause(stop)
        self.status.change("ended")

    async def _take_turn(self, stop: asyncio.Event) -> None:
        """Wait until no other daemon has the partition, then follow it."""
        Server(self._transport)  # while Redis is away, leave Postgres and the lock to others
        connection = await connect(self._database_url)
        try:
            if await self._wait_for_lock(connection, stop):
                await self._own(connection, stop)
        finally:
            await disconnect(connection)

    async def _wait_for_lock(self, connection: asyncpg.Connection, stop: asyncio.Event) -> bool:
        """Take the partition's lock, from an owner that gives no sign of life too. False when told to stop."""
        next_look_s = 0.0
        while not stop.is_set():
            if await try_lock(connection, self._partition):
                return True
            self.status.change("waiting")
            if time.monotonic() >= next_look_s:
                next_look_s = time.monotonic() + self._limits.heartbeat_s
                if await end_silent_owner(connection, self._partition, self._limits.silence_max_s):
                    log.warning("silent owner of a partition put out", partition=self._partition)
            await pause(stop, LOCK_POLL_S)
        return False

    async def _own(self, connection: asyncpg.Connection, stop: asyncio.Event) -> None:
        """Follow as the owner. An alarm stops the partition: it is healed where it can be, else looked at again."""
        while not stop.is_set():
            pause_s = ALARM_POLL_S
            try:
                await self._open_and_follow(connection, stop)
                continue
            except Alarm as alarm:
                self.status.change("stopped", str(alarm), reason=alarm.reason)
                if alarm.reason in HEALABLE:
                    pause_s = HEAL_PAUSE_S
            except PartitionError as error:
                self.status.change("stopped", str(error), reason="partition")
            except TransportError as error:
                self._status_of(error)
                await record(connection, self.status)
                raise
            await record(connection, self.status)
            await pause(stop, pause_s)
        self.status.change("ended")
        await record(connection, self.status)

    def _status_of(self, error: Exception) -> None:
        """Why the partition is not followed, when it is no alarm."""
        if isinstance(error, ReplyError):
            self.status.change("refused", str(error))
        elif isinstance(error, TransportError) or is_away(error):
            self.status.change("unreachable", str(error) or repr(error))
        else:
            log.error("sync failed", partition=self._partition, exc_info=error)
            self.status.change("failed", repr(error))

    async def _open_and_follow(self, connection: asyncpg.Connection, stop: asyncio.Event) -> None:
        server = Server(self._transport)
        # While others had the partition, this server may have been demoted and promoted.
        await server.check_identity()
        opener = Opener(
            connection, self._scripts, self.projector, self._partition, self._limits, self.status, self._size
        )
        head = await opener.open(server, await read_installation(connection))
        self._backoff.reset()
        if not head.economy:
            # Closed again meanwhile, or an operator was faster: the next turn goes on with what there is.
            with suppress(CroupierError, PartitionError):
                await push(self._transport, connection, self._economy, in_place_of="")
            return
        follower = Follower(
            server, head, connection, self._scripts, self.projector, self._limits, self._size, self.status
        )
        await follower.follow(stop)
