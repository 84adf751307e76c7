"""What Postgres knows of a command's event: waiting until it has it, and finding it again.

The sync daemon says over Redis how far Postgres has come. That is a hint and no more: it may be late, lost, or of
another history than the event that somebody waits for. It only makes the next question come sooner; Postgres alone
answers it.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass

import asyncpg
import structlog

from croupier.errors import CroupierError
from croupier.event_log import event_of_row
from croupier.partition import PARTITIONS
from croupier.postgres import asking_postgres, fetch, fetchrow, is_away
from croupier.transport import Subscription
from croupier_schemas import keys
from croupier_schemas.events import Event, EventId

log = structlog.get_logger(__name__)

POLL_S = 0.05

# An epoch is sealed for good once the log itself has gone on to a greater one. That a greater one was taken shows less:
# after a restore, which skips epochs, `croupier adopt` may still bring in the events of a lower one.
# One statement, so that an epoch which is sealed was looked into after that. A sub-select, because a join might be
# planned as a scan of the whole table while that is small, and kept when it no longer is.
_ASK = """
SELECT (SELECT op_id FROM events e WHERE (e.partition, e.epoch, e.seq) = (a.partition, a.epoch, a.seq)) AS op_id,
  (SELECT p.epoch > a.epoch FROM partitions p WHERE p.partition = a.partition) AS sealed
FROM unnest($1::int[], $2::bigint[], $3::bigint[]) WITH ORDINALITY AS a(partition, epoch, seq, place)
ORDER BY place
"""

ONCE_TYPES = ("rewards.granted", "session.ended")
"""Types of the events of commands that are done at most once per key, for ever."""

# The index `events_once_per_key` has the same condition on the type. Where the planner could take the order from the
# index on all events of a player, it might read all of them instead, as while the table is small.
_FIRST = f"""
SELECT partition, epoch, seq, ts_ms, created, type, uid, tier, op_id, idempotency_key, request_hash, economy, rules,
  terms, result, changes
FROM events WHERE uid = $1 AND idempotency_key = $2 AND type IN {ONCE_TYPES}
ORDER BY epoch + 0, seq LIMIT 1
"""


@dataclass(eq=False)
class _Waiter:
    event: EventId
    op_id: bytes
    held: asyncio.Future[bool]


class Durability:
    """Asks Postgres for all waiting events in one query: on a notice that concerns them, and every `POLL_S` besides.

    `redis_url` is where the notices are heard, while `keep_listening` runs.
    """

    def __init__(self, pool: asyncpg.Pool, timeout_s: float, redis_url: str = "") -> None:
        self._pool = pool
        self._timeout_s = timeout_s
        self._redis_url = redis_url
        self._waiters: dict[_Waiter, None] = {}  # a set, in the order in which they came
        self._asking: asyncio.Task[None] | None = None
        self._worth_asking = asyncio.Event()
        self._noticed: dict[int, tuple[int, int]] = {}

    async def keep_listening(self) -> None:
        """Hear the daemon's notices. Never returns."""
        channels = {keys.synced(partition): partition for partition in range(PARTITIONS)}

        def heard(channel: str, text: bytes) -> None:
            epoch, _, seq = text.partition(b"-")
            if epoch.isdigit() and seq.isdigit():
                self._notice(channels[channel], (int(epoch), int(seq)))

        await Subscription(self._redis_url, list(channels)).listen(
            heard, lambda _channel: self._worth_asking.set()
        )

    def _notice(self, partition: int, up_to: tuple[int, int]) -> None:
        self._noticed[partition] = up_to
        if any(self._is_noticed(waiter) for waiter in self._waiters):
            self._worth_asking.set()

    def _is_noticed(self, waiter: _Waiter) -> bool:
        event = waiter.event
        return (event.epoch, event.seq) <= self._noticed.get(event.partition, (0, 0))

    async def first(self, uid: int, key: str) -> Event | None:
        """The event of a command that is done at most once, ever, under this key. Raises CroupierError NOT_READY."""
        with asking_postgres():
            row = await fetchrow(self._pool, _FIRST, uid, key, timeout_s=self._timeout_s)
        if row is None:
            return None
        return event_of_row(EventId(row["partition"], row["epoch"], row["seq"]), row)

    async def wait(self, event: EventId, op_id: bytes) -> None:
        """Return when Postgres holds the event under that id which `op_id` caused, and no other.

        Raises CroupierError NOT_APPLIED where Postgres never will, and DURABILITY_TIMEOUT.
        """
        waiter = _Waiter(event, op_id, asyncio.get_running_loop().create_future())
        self._waiters[waiter] = None
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask_while_anybody_waits())
        elif self._is_noticed(waiter):  # Postgres was faster than the reply, or this is a replay
            self._worth_asking.set()
        try:
            async with asyncio.timeout(self._timeout_s):
                held = await waiter.held
        except TimeoutError:
            raise CroupierError("DURABILITY_TIMEOUT", retry_after_s=1) from None
        finally:
            self._waiters.pop(waiter, None)
        if not held:
            raise CroupierError("NOT_APPLIED", retry_after_s=1)

    async def _ask_while_anybody_waits(self) -> None:
        while self._waiters:
            self._worth_asking.clear()
            await self._ask(list(self._waiters))
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_S):
                    await self._worth_asking.wait()

    async def _ask(self, waiters: list[_Waiter]) -> None:
        events = [waiter.event for waiter in waiters]
        try:
            rows = await fetch(
                self._pool,
                _ASK,
                [event.partition for event in events],
                [event.epoch for event in events],
                [event.seq for event in events],
                timeout_s=self._timeout_s
                / 2,  # where nobody answers, there is time to ask on another connection
            )
        except Exception as error:  # the waiters' own timeouts decide; the next look may succeed
            if not is_away(error):
                log.exception("cannot ask Postgres for events")
            return
        for waiter, row in zip(waiters, rows, strict=True):
            if waiter.held.done():
                continue
            if row["op_id"] == waiter.op_id:
                waiter.held.set_result(True)
            elif row["op_id"] is not None or row["sealed"]:
                # Another history has this id, or no event of this epoch comes any more: Redis has lost this one.
                waiter.held.set_result(False)
