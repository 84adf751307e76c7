"""The sweeper: does what is due without anybody asking for it. It runs in every worker; one of them works at a time.

Which one is told by a lease in Redis. Two that work at once, as after a pause of the one, do no harm: every effect is a
command, whose script decides whether there is anything left to do.
"""

import asyncio
import secrets
from typing import Final, Protocol

import structlog

from croupier.crash.sweep import OpenBets
from croupier.engine import Engine
from croupier.errors import CroupierError
from croupier.partition import PARTITIONS
from croupier.sessions.sweep import IdleSessions
from croupier.transport import ReplyError, TransportError
from croupier_schemas import keys

log = structlog.get_logger(__name__)

_TICK_S: Final = 0.05
_PAUSE_MAX_S: Final = 1.0
_LEASE_MS: Final = 500
_TICKS_PER_SECOND: Final = 20


class Sweep(Protocol):
    """One kind of thing that becomes due."""

    async def tick(self, now_ms: int) -> object: ...


class Sweeper:
    """Sweeps one partition, as long as it holds the partition's lease."""

    def __init__(self, engine: Engine, partition: int) -> None:
        self._engine = engine
        self._partition = partition
        self._token = secrets.token_hex(16)
        self._sweeps: list[tuple[Sweep, int]] | None = None
        self._ticks = 0

    async def tick(self) -> None:
        """Sweep once, if the partition is open, and the lease ours or free. Raises CroupierError and TransportError."""
        # Before that, nothing may be written to this Redis, which may not be one of ours.
        await self._engine.views.believed(self._partition)
        if not await self._leads():
            self._sweeps = None
            return
        if self._sweeps is None:  # what another one did meanwhile is not known here
            self._sweeps = self._begin()
            self._ticks = 0
        now_ms = self._engine.now_ms()
        self._ticks += 1
        due = [sweep for sweep, every in self._sweeps if self._ticks % every == 0]
        outcomes = await asyncio.gather(*(sweep.tick(now_ms) for sweep in due), return_exceptions=True)
        for outcome in outcomes:  # what is wrong with one must not hold up the others
            if isinstance(outcome, BaseException):
                raise outcome

    def _begin(self) -> list[tuple[Sweep, int]]:
        """What is swept, and every how many ticks."""
        return [
            (OpenBets(self._engine, self._partition), 1),
            (IdleSessions(self._engine, self._partition), _TICKS_PER_SECOND),
        ]

    async def _leads(self) -> bool:
        script = self._engine.scripts["sweeper.lead"]
        arguments = script.argv(_LEASE_MS, self._token)
        return await self._engine.transport.run(script, [keys.sweeper(self._partition)], arguments) == 1


async def keep_sweeping(engine: Engine) -> None:
    """Sweep all partitions. Never returns; what goes wrong is logged once, and tried again."""
    await asyncio.gather(*(_keep_sweeping(Sweeper(engine, partition)) for partition in range(PARTITIONS)))


async def _keep_sweeping(sweeper: Sweeper) -> None:
    trouble, pause_s = "", _TICK_S
    while True:
        try:
            await sweeper.tick()
            trouble, pause_s = "", _TICK_S
        except Exception as error:  # a fault in sweeping must not take the worker down
            pause_s = min(2 * pause_s, _PAUSE_MAX_S)
            # That Redis is away is said by those who look after the connection.
            away = isinstance(error, TransportError | CroupierError) and not isinstance(error, ReplyError)
            if not away and (now := f"{type(error).__name__}: {error}") != trouble:
                trouble = now
                log.error("sweeping failed; it is tried again", error=trouble, exc_info=error)
        await asyncio.sleep(pause_s)
