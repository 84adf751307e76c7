"""Serving a sink: one daemon at a time does, the others stand by; what goes wrong is tried again."""

import asyncio
import time
from typing import Final, Protocol

import asyncpg
import structlog

from croupier.postgres import is_away
from croupier_sync.errors import Superseded
from croupier_sync.export.cursors import SinkName, add_cursors
from croupier_sync.limits import DEFAULT_LIMITS, LOCK_POLL_S, RETRY_PAUSE_MAX_S, RETRY_PAUSE_MIN_S, Limits
from croupier_sync.pause import Backoff, pause
from croupier_sync.postgres import connect, disconnect, end_silent_owner, try_lock

log = structlog.get_logger(__name__)

# Beyond the partitions, whose locks have their numbers.
LOCKS: Final[dict[SinkName, int]] = {"kafka": 1_000_001, "clickhouse": 1_000_002}

_SAY = """
UPDATE sinks SET state = $2, detail = $3, seen_at = clock_timestamp(),
  since = CASE WHEN state = $2 THEN since ELSE clock_timestamp() END
WHERE sink = $1
"""
_DETAIL_LENGTH_MAX = 500
STOP_PATIENCE_S: Final = 5.0
"""How long what has begun may go on once the daemon is told to stop; a server that is away would hold it up longer."""


class Unavailable(Exception):
    """The sink's server cannot take events now, and may later. The message is one line without secrets."""


class Status:
    """What is said of a sink: written to the table `sinks` every second by the daemon that serves it."""

    def __init__(self, sink: SinkName) -> None:
        self.sink: SinkName = sink
        self.state = "starting"
        self.detail = ""

    def change(self, state: str, detail: str = "") -> None:
        """Say something else from now on; in the log too, where the state is another one."""
        if state != self.state:
            write = log.info if state in ("following", "ended") else log.warning
            write("export", sink=self.sink, state=state, detail=detail)
        self.state, self.detail = state, detail


class Sink(Protocol):
    """Where events go. It is served again and again, and keeps nothing from one time to the next but its status."""

    status: Status

    async def follow(self, connection: asyncpg.Connection, stop: asyncio.Event) -> None:
        """Carry events until `stop` is set; what has begun is finished then. `connection` is for its own use.

        Raises Superseded; Unavailable while its server is away; asyncpg's errors. It is served again, after pauses that
        grow until `status` was "following" when it ended. It may be cancelled at any point.
        """


class Turns:
    """Serves one sink as long as no other daemon does."""

    def __init__(self, sink: Sink, database_url: str, limits: Limits = DEFAULT_LIMITS) -> None:
        self._sink = sink
        self._database_url = database_url
        self._limits = limits
        self._lock = LOCKS[sink.status.sink]
        self._backoff = Backoff(RETRY_PAUSE_MIN_S, RETRY_PAUSE_MAX_S)

    async def run(self, stop: asyncio.Event) -> None:
        """Serve the sink until `stop` is set. Never raises but CancelledError."""
        status = self._sink.status
        while not stop.is_set():
            try:
                await self._take_turn(stop)
            except Superseded as error:
                log.info("sink given up", sink=status.sink, detail=str(error))
            except Exception as error:
                if is_away(error):
                    status.change("unreachable", f"Postgres: {error or repr(error)}")
                else:
                    log.error("export failed", sink=status.sink, exc_info=error)
                    status.change("failed", repr(error))
            await self._backoff.pause(stop)

    async def _take_turn(self, stop: asyncio.Event) -> None:
        # The lock's session gives signs of life, while the sink may be waiting long for one statement, or for none.
        locked = await connect(self._database_url)
        try:
            if await self._wait_for_lock(locked, stop):
                await self._own(locked, stop)
        finally:
            await disconnect(locked)

    async def _wait_for_lock(self, connection: asyncpg.Connection, stop: asyncio.Event) -> bool:
        """Take the sink's lock, from an owner that gives no sign of life too. False when told to stop."""
        next_look_s = 0.0
        while not stop.is_set():
            if await try_lock(connection, self._lock):
                return True
            if time.monotonic() >= next_look_s:
                next_look_s = time.monotonic() + self._limits.heartbeat_s
                if await end_silent_owner(connection, self._lock, self._limits.silence_max_s):
                    log.warning("silent owner of a sink put out", sink=self._sink.status.sink)
            await pause(stop, LOCK_POLL_S)
        return False

    async def _own(self, locked: asyncpg.Connection, stop: asyncio.Event) -> None:
        """Follow, again and again, while the lock's session lives."""
        await add_cursors(locked, self._sink.status.sink)
        tasks = [
            asyncio.create_task(work) for work in (self._say(locked), self._follow(stop), _patience(stop))
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome
        self._sink.status.change("ended")
        await self._say_once(locked)

    async def _follow(self, stop: asyncio.Event) -> None:
        status = self._sink.status
        while not stop.is_set():
            connection = await connect(self._database_url)
            try:
                await self._sink.follow(connection, stop)
            except Unavailable as error:
                self._went_well()
                status.change("unreachable", str(error))
            finally:
                await disconnect(connection)
            self._went_well()
            await self._backoff.pause(stop)

    def _went_well(self) -> None:
        """Begin with short pauses again, where the sink was followed until now."""
        if self._sink.status.state == "following":
            self._backoff.reset()

    async def _say(self, connection: asyncpg.Connection) -> None:
        """Write the status every second. Never returns."""
        while True:
            await self._say_once(connection)
            await asyncio.sleep(self._limits.heartbeat_s)

    async def _say_once(self, connection: asyncpg.Connection) -> None:
        status = self._sink.status
        detail = status.detail.replace("\0", "")[:_DETAIL_LENGTH_MAX]
        await connection.execute(_SAY, status.sink, status.state, detail)


async def _patience(stop: asyncio.Event) -> None:
    await stop.wait()
    await asyncio.sleep(STOP_PATIENCE_S)
