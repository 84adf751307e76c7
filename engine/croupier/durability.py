"""What Postgres knows of a command's event: waiting until it has it, and finding it again."""

import asyncio
from dataclasses import dataclass

import asyncpg
import structlog

from croupier.errors import CroupierError
from croupier.event_log import event_of_row
from croupier.postgres import asking_postgres, is_away
from croupier_schemas.events import Event, EventId

log = structlog.get_logger(__name__)

POLL_S = 0.05

_HELD = """
SELECT e.partition, e.epoch, e.seq, e.op_id
FROM events e
JOIN unnest($1::int[], $2::bigint[], $3::bigint[]) AS wanted(partition, epoch, seq)
  USING (partition, epoch, seq)
"""


ONCE_TYPES = ("rewards.granted", "session.ended")
"""Types of the events of commands that are done at most once per key, for ever."""

# The index `events_once_per_key` has the same condition on the type.
_FIRST = f"""
SELECT partition, epoch, seq, ts_ms, created, type, uid, tier, op_id, idempotency_key, request_hash, economy, rules,
  terms, result, changes
FROM events WHERE uid = $1 AND idempotency_key = $2 AND type IN {ONCE_TYPES}
ORDER BY epoch, seq LIMIT 1
"""


@dataclass(eq=False)
class _Waiter:
    event: EventId
    op_id: bytes
    released: asyncio.Future[None]


class Durability:
    """Asks Postgres for all waiting events in one query, every `POLL_S` while anybody waits."""

    def __init__(self, pool: asyncpg.Pool, timeout_s: float) -> None:
        self._pool = pool
        self._timeout_s = timeout_s
        self._waiters: set[_Waiter] = set()
        self._polling: asyncio.Task[None] | None = None

    async def first(self, uid: int, key: str) -> Event | None:
        """The event of a command that is done at most once, ever, under this key. Raises CroupierError NOT_READY."""
        with asking_postgres():
            row = await self._pool.fetchrow(_FIRST, uid, key, timeout=self._timeout_s)
        if row is None:
            return None
        return event_of_row(EventId(row["partition"], row["epoch"], row["seq"]), row)

    async def wait(self, event: EventId, op_id: bytes) -> None:
        """Return when Postgres holds the event under that id which `op_id` caused, and no other.

        Raises CroupierError DURABILITY_TIMEOUT.
        """
        waiter = _Waiter(event, op_id, asyncio.get_running_loop().create_future())
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
            except Exception as error:  # the waiters' own timeouts decide; the next look may succeed
                if not is_away(error):
                    log.exception("cannot ask Postgres for events")
                rows = []
            held = {(row["partition"], row["epoch"], row["seq"]): row["op_id"] for row in rows}
            for waiter in waiters:
                event = waiter.event
                op_id = held.get((event.partition, event.epoch, event.seq))
                if op_id == waiter.op_id and not waiter.released.done():
                    waiter.released.set_result(None)
            await asyncio.sleep(POLL_S)
