"""The newest state: what a socket is told first, and again after anything was missed."""

import asyncio
import random
from collections.abc import Callable, Mapping
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
from croupier.postgres import asking_postgres, fetch
from croupier.query import Sources
from croupier.transport import TransportError
from croupier.wallet import read_player
from croupier_http.logs import Limiter
from croupier_http.ws.connection import Connection, Kind
from croupier_schemas import keys
from croupier_schemas.events import Event, EventId
from croupier_schemas.live import Balances, Hello, LiveEvent, MonitorSnapshot, UnreadHello
from croupier_schemas.records import FLAG_BANNED, Player

log = structlog.get_logger(__name__)

SNAPSHOT_EVENTS: Final = 200
_RETRY_MIN_S: Final = 0.25
_RETRY_MAX_S: Final = 4.0

_AT_ONCE: Final[Mapping[Kind, int]] = {"player": 64, "monitor": 2, "notifications": 4}
"""How many of a kind are greeted at once. Those of which each one asks Postgres much are few, so that whatever holds
them up there leaves connections to the others: a worker has 8."""

_LAST_EVENT: Final = "SELECT epoch, seq FROM mirror WHERE partition = $1 AND key = $2 AND field = ''"
_SNAPSHOT: Final = f"""
SELECT partition, epoch, seq, ts_ms, created, type, uid, tier, op_id, idempotency_key, request_hash, economy, rules,
  terms, result, changes
FROM events WHERE partition = $1 ORDER BY epoch DESC, seq DESC LIMIT {SNAPSHOT_EVENTS}
"""


class Greetings:
    """Greets the sockets that were named, some of each kind at a time, as soon as Redis and Postgres answer.

    What is pushed to a socket meanwhile is held back, and follows if the greeting does not have it. `banned` hears of
    players who are banned; they are not greeted.
    """

    def __init__(self, sources: Sources, shown: Shown, banned: Callable[[int], None]) -> None:
        self._sources = sources
        self._shown = shown
        self._banned = banned
        self._waiting: dict[Kind, asyncio.Queue[tuple[Connection, float]]] = {
            kind: asyncio.Queue() for kind in _AT_ONCE
        }
        self._limiter = Limiter(lines_per_s=1)
        self._unreadable: set[str] = set()

    def ask(self, connection: Connection) -> None:
        """Greet this socket; once more, where that is under way and what it tells may have been read already."""
        if connection.greeting:
            connection.greet_again = True
        else:
            connection.greeting = True
            self._waiting[connection.kind].put_nowait((connection, _RETRY_MIN_S))

    async def keep_greeting(self) -> None:
        """Never returns."""
        await asyncio.gather(*(self._keep_greeting(kind) for kind in _AT_ONCE for _ in range(_AT_ONCE[kind])))

    async def _keep_greeting(self, kind: Kind) -> None:
        """Greet one at a time. Who cannot be greeted now waits its own time, and nobody else does."""
        waiting = self._waiting[kind]
        while True:
            connection, retry_s = await waiting.get()
            if connection.ended.done():
                continue
            try:
                await self._greet(connection)
            except Exception as error:
                if not isinstance(error, CroupierError) and retry_s == _RETRY_MIN_S:
                    self._log_failure(kind, error)
                pause_s = retry_s * random.uniform(0.5, 1.0)  # noqa: S311 - it spreads load
                again = connection, min(2 * retry_s, _RETRY_MAX_S)
                asyncio.get_running_loop().call_later(pause_s, waiting.put_nowait, again)

    def _log_failure(self, kind: Kind, error: Exception) -> None:
        extra = self._limiter.allow(kind)
        if extra is not None:
            log.error(
                "greeting failed; it is tried again", kind=kind, error=repr(error), exc_info=error, **extra
            )

    async def _greet(self, connection: Connection) -> None:
        connection.greet_again = False  # what was missed until now is in what is read from now on
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
            rows = await fetch(
                self._sources.postgres,
                _LAST_EVENT, partition, keys.player(partition, uid),
                timeout_s=QUERY_TIMEOUT_S,
            )  # fmt: skip
        return EventId(partition, rows[0]["epoch"], rows[0]["seq"]) if rows else None

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
                rows = await fetch(pool, _SNAPSHOT, partition, timeout_s=QUERY_TIMEOUT_S)
            events += [event for row in rows if (event := self._event(row)) is not None]
        return sorted(events, key=lambda event: (event.ts_ms, event.id))[-SNAPSHOT_EVENTS:]

    async def show(self, event: Event) -> LiveEvent:
        """What clients are shown of an event; with an empty `result` where that cannot be made.

        Raises CroupierError NOT_READY where Redis, which has the economy of the event, cannot be asked now.
        """
        version = event.header.economy.hex()
        try:
            economy = await self._sources.engine.views.economy_of_version(version) if version else None
            return self._shown.event(event, economy)
        except Exception as error:
            if isinstance(error.__cause__, TransportError):
                raise
            self._log_unreadable(event.header.type, event.id, error)
            return self._shown.event(event, None)

    def _event(self, row: asyncpg.Record) -> Event | None:
        event_id = EventId(row["partition"], row["epoch"], row["seq"])
        try:
            return event_of_row(event_id, row)
        except Exception as error:  # the monitor does without it
            self._log_unreadable(row["type"], event_id, error)
            return None

    def _log_unreadable(self, kind: str, event_id: EventId, error: Exception) -> None:
        """Once for each type of event: every monitor that is opened meets the same ones again."""
        if kind not in self._unreadable:
            self._unreadable.add(kind)
            log.error(
                "events of this type cannot be shown; the first one",
                type=kind,
                event_id=str(event_id),
                exc_info=error,
            )

    async def _unread(self, connection: Connection) -> UnreadHello | None:
        if await self._is_caller_banned(connection):
            return None
        count = await unread(self._sources, connection.subject) if self._sources.postgres else 0
        return UnreadHello(connection.subject, count)
