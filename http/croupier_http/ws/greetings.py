"""The newest state: what a socket is told first, and again after anything was missed."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

import asyncpg
import msgspec
import structlog

from croupier.crash.current import open_round
from croupier.errors import CroupierError
from croupier.event_log import event_of_row
from croupier.live import Shown
from croupier.notifications import unread
from croupier.paging import QUERY_TIMEOUT_S
from croupier.partition import PARTITIONS
from croupier.postgres import asking_postgres
from croupier.query import Sources
from croupier.wallet import read_player
from croupier_http.ws.connection import Connection
from croupier_schemas import keys
from croupier_schemas.events import Event, EventId
from croupier_schemas.live import Balances, Hello, LiveEvent, MonitorSnapshot, UnreadHello
from croupier_schemas.records import FLAG_BANNED, Player

log = structlog.get_logger(__name__)

SNAPSHOT_EVENTS: Final = 200
_AT_ONCE: Final = 64
_RETRY_S: Final = 0.25

_LAST_EVENT: Final = "SELECT epoch, seq FROM mirror WHERE partition = $1 AND key = $2 AND field = ''"
_SNAPSHOT: Final = f"""
SELECT partition, epoch, seq, ts_ms, created, type, uid, tier, op_id, idempotency_key, request_hash, economy, rules,
  terms, result, changes
FROM events WHERE partition = $1 ORDER BY epoch DESC, seq DESC LIMIT {SNAPSHOT_EVENTS}
"""


class Greetings:
    """Greets the sockets that were named, some at a time, as soon as Redis and Postgres answer.

    What is pushed to a socket meanwhile is held back, and follows if the greeting does not have it. `banned` hears of
    players who are banned; they are not greeted.
    """

    def __init__(self, sources: Sources, shown: Shown, banned: Callable[[int], None]) -> None:
        self._sources = sources
        self._shown = shown
        self._banned = banned
        self._waiting: deque[Connection] = deque()
        self._wake = asyncio.Event()

    def ask(self, connection: Connection) -> None:
        """Greet this socket."""
        if not connection.greeting:
            connection.greeting = True
            connection.held = []
            self._waiting.append(connection)
            self._wake.set()

    async def keep_greeting(self) -> None:
        """Never returns."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                some = [self._waiting.popleft() for _ in range(min(_AT_ONCE, len(self._waiting)))]
                outcomes = await asyncio.gather(*map(self._greet, some), return_exceptions=True)
                failed = [each for each, outcome in zip(some, outcomes, strict=True) if outcome is not None]
                for outcome in outcomes:
                    if isinstance(outcome, BaseException) and not isinstance(outcome, CroupierError):
                        log.error("greeting failed; it is tried again", error=repr(outcome), exc_info=outcome)
                if failed:
                    self._waiting.extend(failed)
                    await asyncio.sleep(_RETRY_S)

    async def _greet(self, connection: Connection) -> None:
        if connection.ended.done():
            return
        makers = {"player": self._hello, "monitor": self._snapshot, "notifications": self._unread}
        greeting = await makers[connection.kind](connection)
        if greeting is not None:
            connection.greet(connection.codec.encode(msgspec.to_builtins(greeting)))

    async def _hello(self, connection: Connection) -> Hello | None:
        sources, uid = self._sources, connection.subject
        # Before the records are read, so that what it names is in them.
        last = await self._last_event(uid)
        player, session = await asyncio.gather(read_player(sources, uid), open_round(sources, uid))
        if player is None:
            economy = (await sources.engine.views.believed(uid % PARTITIONS)).economy.economy
            balances = Balances(economy.initial_tokens, economy.initial_gems)
        else:
            balances = Balances(player.tokens, player.gems)
            if self._is_banned(uid, player):
                return None
        connection.greeted_up_to = (last.epoch, last.seq) if last else (0, 0)
        return Hello(
            player_id=uid,
            balances=balances,
            active_bet=session,
            last_event_id=str(last) if last else None,
            worker_time_ms=sources.engine.now_ms(),
            live=sources.postgres is not None,
        )

    def _is_banned(self, uid: int, player: Player | None) -> bool:
        if player is None or not player.flags & FLAG_BANNED:
            return False
        self._banned(uid)
        return True

    async def _is_caller_banned(self, connection: Connection) -> bool:
        """False too where Redis cannot be asked: what these sockets tell comes from Postgres."""
        uid = connection.identity.uid
        try:
            return self._is_banned(uid, await read_player(self._sources, uid))
        except CroupierError:
            return False

    async def _last_event(self, uid: int) -> EventId | None:
        """The last event of a player that Postgres has: the one that wrote the record which is there."""
        if self._sources.postgres is None:
            return None
        partition = uid % PARTITIONS
        with asking_postgres():
            row = await self._sources.postgres.fetchrow(
                _LAST_EVENT, partition, keys.player(partition, uid), timeout=QUERY_TIMEOUT_S
            )
        return EventId(partition, row["epoch"], row["seq"]) if row else None

    async def _snapshot(self, connection: Connection) -> MonitorSnapshot | None:
        if await self._is_caller_banned(connection):
            return None
        events = await self._last_events()
        # Not that of the last one: their order is that of the clocks of several workers.
        connection.greeted_up_to = max(((event.id.epoch, event.id.seq) for event in events), default=(0, 0))
        return MonitorSnapshot(
            [await self.show(event) for event in events], live=self._sources.postgres is not None
        )

    async def _last_events(self) -> list[Event]:
        pool = self._sources.postgres
        if pool is None:
            return []
        events: list[Event] = []
        for partition in range(PARTITIONS):
            with asking_postgres():
                rows = await pool.fetch(_SNAPSHOT, partition, timeout=QUERY_TIMEOUT_S)
            events += [_event(row) for row in rows]
        return sorted(events, key=lambda event: (event.ts_ms, event.id))[-SNAPSHOT_EVENTS:]

    async def show(self, event: Event) -> LiveEvent:
        """What clients are shown of an event. Raises CroupierError NOT_READY where its economy cannot be read."""
        version = event.header.economy.hex()
        economy = await self._sources.engine.views.economy_of_version(version) if version else None
        return self._shown.event(event, economy)

    async def _unread(self, connection: Connection) -> UnreadHello | None:
        if await self._is_caller_banned(connection):
            return None
        count = await unread(self._sources, connection.subject) if self._sources.postgres else 0
        return UnreadHello(connection.subject, count)


def _event(row: asyncpg.Record) -> Event:
    return event_of_row(EventId(row["partition"], row["epoch"], row["seq"]), row)
