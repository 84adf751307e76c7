"""A daemon that kills itself at a chosen step. Runs in a process of its own, forked from one that has all imports.

A step is one call of the daemon to Redis or Postgres. Repeated reads that find nothing new are one step, and players
pull only while the daemon is held before a read, so that a scripted run has the same steps every time.
"""

import asyncio
import os
import pickle
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg

from croupier.transport import Transport
from croupier_schemas.events import Event, EventId, decode_entry
from croupier_sync import healing
from croupier_sync.daemon import PartitionSync
from croupier_sync.limits import Limits
from tests.sync.support import PARTITION, Casino, generous_economy

# Small, so that a few events are several batches, the last of them full, and trimming has something to do.
# Heartbeats come with time and would be steps: there is only the first one.
LIMITS = Limits(batch_max=2, outbox_kept=6, heartbeat_s=3600)
PULLS = 3

# What the daemon calls. `execute` is also how asyncpg begins, commits and rolls back.
_STEPS: dict[type, tuple[str, ...]] = {
    asyncpg.Connection: ("execute", "fetch", "fetchrow", "fetchval", "copy_records_to_table"),
    Transport: ("call", "run"),
}


class Case(NamedTuple):
    """Servers, where the log is collected, and the step to be killed at, once its request is sent.

    With more than `missing_max` events missing, a healer writes all keys anew.
    """

    redis_url: str
    database_url: str
    captured: Path
    step: int = -1
    missing_max: int = healing.MISSING_MAX


class Steps:
    """Counts the daemon's steps, holds it before a read, and kills this process at the chosen one."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._count = 0
        self._last: tuple[object, ...] = ()
        self._bystanders: set[int] = set()
        self.may_read = asyncio.Event()
        self.may_read.set()
        self.is_held = asyncio.Event()

    def leave_out(self, *connections: object) -> None:
        """Connections that are not the daemon's."""
        self._bystanders |= {id(connection) for connection in connections}

    def install(self) -> None:
        for owner, names in _STEPS.items():
            for name in names:
                setattr(owner, name, self._counted(getattr(owner, name)))

    def _counted(self, method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def step(connection: object, *args: Any, **options: Any) -> Any:
            if id(connection) in self._bystanders:
                return await method(connection, *args, **options)
            if args[0] == "XRANGE":
                await self._hold()
            if (method.__name__, *args) != self._last or args[0] != "XRANGE":
                self._count += 1
                self._last = (method.__name__, *args)
                if self._count == self._case.step:
                    await self._die(method(connection, *args, **options))
            return await method(connection, *args, **options)

        return step

    async def _hold(self) -> None:
        self.is_held.set()
        await self.may_read.wait()
        self.is_held.clear()

    async def _die(self, call: Awaitable[Any]) -> None:
        calling = asyncio.ensure_future(call)
        for _ in range(3):  # the transport writes at the end of a turn of the loop
            await asyncio.sleep(0)
        del calling
        os.kill(os.getpid(), signal.SIGKILL)


def main(case: Case) -> None:
    """The process: first opening, pulls, reopening with pulls to drain, pulls, trimming; then a clean stop."""
    asyncio.run(_play(case))


def heal(case: Case) -> None:
    """The process: a daemon that finds Redis other than Postgres, and goes on until it follows."""
    asyncio.run(_heal(case))


async def _heal(case: Case) -> None:
    Steps(case).install()
    healing.MISSING_MAX = case.missing_max  # type: ignore[misc]
    transport = Transport(case.redis_url)
    await transport.open()
    sync = PartitionSync(transport, case.database_url, PARTITION, generous_economy(), LIMITS)
    stop = asyncio.Event()
    running = asyncio.create_task(sync.run(stop))
    while sync.status.state != "following":
        await asyncio.sleep(0.002)
    stop.set()
    await running
    await transport.close()


async def _play(case: Case) -> None:
    transport = Transport(case.redis_url)
    await transport.open()
    connection = await asyncpg.connect(case.database_url)
    casino = Casino.of(case.redis_url, case.database_url, transport, connection)
    steps = Steps(case)
    steps.leave_out(transport, connection)
    steps.install()
    await capture(casino, case.captured)
    async with casino.daemon(LIMITS):
        await _followed_pulls(casino, case, steps)
    await _pulls(casino, case)
    # As after a restart of Redis: the next daemon closes the partition, drains these pulls and opens another epoch.
    await casino.pretend_restart()
    async with casino.daemon(LIMITS):
        await _followed_pulls(casino, case, steps)
    await connection.close()
    await transport.close()


async def _followed_pulls(casino: Casino, case: Case, steps: Steps) -> None:
    """Pulls that the daemon sees all at once."""
    await casino.until_open()
    steps.may_read.clear()
    await steps.is_held.wait()
    await _pulls(casino, case)
    steps.may_read.set()
    await casino.until_caught_up()


async def _pulls(casino: Casino, case: Case) -> None:
    for uid in range(1, PULLS + 1):
        await casino.pull(uid, banner="festival")
    await capture(casino, case.captured)


async def capture(casino: Casino, path: Path) -> None:
    """Add what the outbox holds to the file, before it can be trimmed."""
    raw: Any = await casino.transport.call("XRANGE", await casino.stream(), "-", "+")
    with path.open("ab") as file:
        pickle.dump(raw, file)


def captured(path: Path) -> list[Event]:
    """The whole log, put together from everything captured."""
    log: dict[EventId, Event] = {}
    with path.open("rb") as file, suppress(EOFError):
        while True:
            for entry, fields in pickle.load(file):
                event = decode_entry(PARTITION, entry, fields)
                assert log.setdefault(event.id, event) == event
    return [log[event_id] for event_id in sorted(log)]
