"""Whether there is room for more: commands that begin something are refused before Redis' memory is full.

What is measured is how many events Postgres has not taken yet, and how much of its memory Redis uses. What ends
something, and pays out, goes on all the while: so some memory is to be left for that.
"""

import asyncio
from collections.abc import Callable
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import structlog

from croupier.errors import CroupierError
from croupier.partition import PARTITIONS
from croupier.postgres import is_away
from croupier.transport import TransportError
from croupier_schemas import keys
from croupier_schemas.events import decode_entry

if TYPE_CHECKING:
    import asyncpg

    from croupier.engine import Engine

log = structlog.get_logger(__name__)

INTERVAL_S: Final = 1.0
RETRY_AFTER_S: Final = 2.0
_QUERY_TIMEOUT_S: Final = 2.0

_CURSORS = "SELECT partition, epoch, seq FROM partitions WHERE epoch IS NOT NULL"

Cursor = tuple[int, int]
"""Epoch and seq of the last event that Postgres has."""


def _nobody(_seconds: float) -> None:
    """Hears nothing."""


class Measured(NamedTuple):
    """`outbox` counts the entries in Redis, `behind` those of them that Postgres has not taken.

    `behind_s` is the age of the oldest of these in seconds, 0 where there is none. `memory_percent` is what Redis uses
    of its `maxmemory`, 0 where that is not set.
    """

    outbox: int = 0
    behind: int = 0
    behind_s: float = 0.0
    memory_percent: float = 0.0


class Room:
    """What was measured last, over all partitions. Without a Postgres only the memory counts."""

    def __init__(self, engine: "Engine") -> None:
        self._engine = engine
        self._cursors: dict[int, Cursor] = {}
        self.measured = Measured()
        self.why_full = ""
        self.on_round_trip: Callable[[float], None] = _nobody
        """Hears, at each measurement, how long a call to Redis took on the connection of the commands, in seconds."""

    def require(self) -> None:
        """Raise CroupierError OVERLOADED while there is none."""
        if self.why_full:
            raise CroupierError("OVERLOADED", self.why_full, retry_after_s=RETRY_AFTER_S)

    async def measure(self, pool: "asyncpg.Pool | None") -> None:
        """Measure now. While Redis cannot be asked, what was measured before stays; while Postgres cannot, its cursor.

        Raises CroupierError and TransportError for the former.
        """
        if pool is not None:
            await self._ask_postgres(pool)
        each = [await self._partition(partition) for partition in range(PARTITIONS)]
        now = Measured(
            outbox=sum(one.outbox for one in each),
            behind=sum(one.behind for one in each) if pool is not None else 0,
            behind_s=max(one.behind_s for one in each) if pool is not None else 0.0,
            memory_percent=await self._memory_percent(),
        )
        self._judge(now)

    def _judge(self, now: Measured) -> None:
        settings, why = self._engine.settings, ""
        if now.behind >= settings.outbox_max:
            why = "Postgres is too far behind; nothing was done."
        elif now.memory_percent >= settings.memory_max_percent:
            why = "Redis' memory is nearly full; nothing was done."
        if why and not self.why_full:
            log.error("commands that begin something are refused", reason=why, **now._asdict())
        elif self.why_full and not why:
            log.warning("commands that begin something are taken again", **now._asdict())
        self.measured, self.why_full = now, why

    async def _ask_postgres(self, pool: "asyncpg.Pool") -> None:
        try:
            rows = await pool.fetch(_CURSORS, timeout=_QUERY_TIMEOUT_S)
        except Exception as error:
            if not is_away(error):
                raise
            return
        self._cursors = {row["partition"]: (row["epoch"], row["seq"]) for row in rows}

    async def _partition(self, partition: int) -> Measured:
        view = await self._engine.views.believed(partition)
        stream = keys.outbox(partition, view.fence)
        asked_at_s = perf_counter()
        length = await self._read("XLEN", stream)
        self.on_round_trip(perf_counter() - asked_at_s)
        last = await self._read("XREVRANGE", stream, "+", "-", "COUNT", 1)
        if not last:  # it has another name by now
            self._engine.views.forget(partition)
            raise CroupierError("NOT_READY", retry_after_s=1)
        if (cursor := self._cursors.get(partition)) is None:  # nothing heard from Postgres yet
            return Measured(outbox=length, behind=length)
        epoch, seq = map(int, last[0][0].split(b"-"))
        # Numbers are gapless, and an epoch begins only when Postgres has all of the one before.
        behind = max(0, seq - cursor[1] if epoch == cursor[0] else seq + 1)
        return Measured(length, behind, await self._age_s(partition, stream, cursor) if behind else 0.0)

    async def _age_s(self, partition: int, stream: str, cursor: Cursor) -> float:
        """Age of the first event beyond the cursor."""
        entries = await self._read("XRANGE", stream, f"({cursor[0]}-{cursor[1]}", "+", "COUNT", 1)
        if not entries:
            return 0.0
        return max(0.0, (self._engine.now_ms() - decode_entry(partition, *entries[0]).ts_ms) / 1000)

    async def _memory_percent(self) -> float:
        text = await self._read("INFO", "memory")
        info = dict(line.split(":", 1) for line in text.decode().splitlines() if ":" in line)
        limit = int(info["maxmemory"])
        return 100 * int(info["used_memory"]) / limit if limit else 0.0

    async def _read(self, *command: str | int) -> Any:
        return await self._engine.views.read(*command)


async def keep_measuring(engine: "Engine", pool: "asyncpg.Pool | None") -> None:
    """Measure every second. Never returns."""
    while True:
        try:
            await engine.room.measure(pool)
        except (CroupierError, TransportError):
            pass  # Redis is away, or the partition is not open: commands are refused for that
        except Exception:  # a fault in measuring must not take the worker down
            log.exception("measuring failed; it is tried again")
        await asyncio.sleep(INTERVAL_S)
