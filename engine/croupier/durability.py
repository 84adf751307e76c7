"""Strict durability: a caller is answered only when Postgres holds the very event that its command appended."""

import asyncio
from dataclasses import dataclass

import asyncpg

from croupier.command import Caller
from croupier.errors import CroupierError
from croupier_schemas.events import EventId

POLL_S = 0.05

_HELD = """
SELECT e.partition, e.epoch, e.seq, e.op_id, e.uid, e.idempotency_key
FROM events e
JOIN unnest($1::int[], $2::bigint[], $3::bigint[]) AS wanted(partition, epoch, seq)
  USING (partition, epoch, seq)
"""


@dataclass(eq=False)
class _Waiter:
    event: EventId
    caller: Caller
    released: asyncio.Future[None]

    def owns(self, row: asyncpg.Record) -> bool:
        """Whether the event that stands there is the one that this caller's command appended, now or the first time."""
        if row["op_id"] == self.caller.op_id:
            return True
        key = self.caller.idempotency_key
        return bool(key) and row["uid"] == self.caller.uid and row["idempotency_key"] == key


class Durability:
    """Asks Postgres for all waiting events in one query, every `POLL_S` while anybody waits."""

    def __init__(self, pool: asyncpg.Pool, timeout_s: float) -> None:
        self._pool = pool
        self._timeout_s = timeout_s
        self._waiters: set[_Waiter] = set()
        self._polling: asyncio.Task[None] | None = None

    async def wait(self, event: EventId, caller: Caller) -> None:
        """Return when Postgres holds the event. Raises CroupierError DURABILITY_TIMEOUT."""
        waiter = _Waiter(event, caller, asyncio.get_running_loop().create_future())
        self._waiters.add(waiter)
        if self._polling is None or self._polling.done():
            self._polling = asyncio.create_task(self._poll())
        try:
            async with asyncio.timeout(self._timeout_s):
                await waiter.released
        except TimeoutError:
            raise CroupierError("DURABILITY_TIMEOUT", retry_after_s=1) from None
        finally:
            self._waiters.discard(waiter)

    async def _poll(self) -> None:
        while self._waiters:
            waiters = list(self._waiters)
            events = [waiter.event for waiter in waiters]
            try:
                rows = await self._pool.fetch(
                    _HELD,
                    [event.partition for event in events],
                    [event.epoch for event in events],
                    [event.seq for event in events],
                    timeout=self._timeout_s,
                )
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
                rows = []  # Postgres is away: the waiters' own timeouts decide
            held = {(row["partition"], row["epoch"], row["seq"]): row for row in rows}
            for waiter in waiters:
                event = waiter.event
                row = held.get((event.partition, event.epoch, event.seq))
                if row is not None and waiter.owns(row) and not waiter.released.done():
                    waiter.released.set_result(None)
            await asyncio.sleep(POLL_S)
