"""From Redis to sockets: listens to the channels that the worker's sockets need, and to no others."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable
from time import monotonic
from typing import Any, Final

import msgspec
import structlog

from croupier.errors import CroupierError
from croupier.live import BANNED, RESTARTED, decode_events
from croupier.partition import PARTITIONS
from croupier.transport import Reply, Subscription, Transport, TransportError
from croupier_http.logs import Limiter
from croupier_http.metrics import FANOUT_SECONDS
from croupier_http.ws.codecs import Codec
from croupier_http.ws.connection import Connection
from croupier_http.ws.greetings import Greetings
from croupier_schemas import keys
from croupier_schemas.events import Event
from croupier_schemas.live import GameEvent
from croupier_schemas.records import FLAG_BANNED, PLAYER

log = structlog.get_logger(__name__)

MESSAGES_MAX: Final = 10_000
"""Messages that wait to be delivered; beyond, they are dropped, and every socket is told the newest state."""

MESSAGES_BYTES_MAX: Final = 16 * 1024 * 1024
"""The same in bytes: a message for who watches everything has up to 100 events."""

ANNOUNCED_AGAIN_S: Final = 5.0
"""So long after a ban was announced it is not announced again: who is banned may go on asking over HTTP."""
_ANNOUNCED_MAX: Final = 1_024

Listeners = dict[Connection, bool]
"""Sockets, and whether each is shown what is said: else it is only to end when its player is banned."""

_read_json = msgspec.json.Decoder().decode


class Live:
    """Delivers what is published. `ban` ends the sockets of a player that are here."""

    def __init__(
        self,
        redis_url: str,
        transport: Transport,
        greetings: Greetings,
        now_ms: Callable[[], int],
        ban: Callable[[int], object],
    ) -> None:
        self._subscription = Subscription(redis_url, [keys.broadcast()])
        self._transport = transport
        self._greetings = greetings
        self._now_ms = now_ms
        self._ban = ban
        self._listeners: dict[str, Listeners] = {keys.broadcast(): {}}
        self._confirmed: set[str] = set()
        self._messages: deque[tuple[str, bytes]] = deque()
        self._messages_bytes = 0
        self._wake = asyncio.Event()
        self._needed = asyncio.Event()
        self._limiter = Limiter(lines_per_s=1)
        self._announced_s: dict[int, float] = {}

    def add(self, connection: Connection) -> None:
        """Deliver to this socket what concerns it; first of all a greeting, once nothing can be missed after it."""
        connection.on_gap = lambda: self._greetings.ask(connection)
        own = _own_channel(connection)
        for channel in _channels(connection):
            listeners = self._listeners.get(channel)
            if listeners is None:
                listeners = self._listeners[channel] = {}
                self._subscription.add(channel)
            listeners[connection] = channel != own or connection.kind == "player"
        self._needed.set()
        self._greet_if_confirmed(connection)

    def remove(self, connection: Connection) -> None:
        """The socket has ended."""
        for channel in _channels(connection):
            listeners = self._listeners[channel]
            del listeners[connection]
            if not listeners and channel != keys.broadcast():
                del self._listeners[channel]
                self._confirmed.discard(channel)
                self._subscription.remove(channel)

    def announce_ban(self, uid: int) -> None:
        """Have the other workers end this player's sockets; where that fails, they are left to find out themselves."""
        now_s, announced_s = monotonic(), self._announced_s
        if now_s < announced_s.get(uid, 0.0):
            return
        if len(announced_s) >= _ANNOUNCED_MAX:
            announced_s.clear()
        announced_s[uid] = now_s + ANNOUNCED_AGAIN_S
        try:
            told = self._transport.send("PUBLISH", keys.player_events(uid % PARTITIONS, uid), BANNED)
        except TransportError as error:
            log.info("a ban was not announced", uid=uid, error=str(error))
        else:
            told.add_done_callback(_announced)

    async def keep_listening(self) -> None:
        """Begin with the first socket. Never returns."""
        await self._needed.wait()
        await self._subscription.listen(self._heard, self._subscribed, self._confirmed.clear)

    def _subscribed(self, channel: str) -> None:
        listeners = self._listeners.get(channel)
        if listeners is not None:
            self._confirmed.add(channel)
            for connection in listeners:
                self._greet_if_confirmed(connection)

    def _greet_if_confirmed(self, connection: Connection) -> None:
        if self._confirmed.issuperset(_channels(connection)):
            self._greetings.ask(connection)

    def _heard(self, channel: str, message: bytes) -> None:
        if len(self._messages) >= MESSAGES_MAX or self._messages_bytes > MESSAGES_BYTES_MAX:
            log.warning("too many events to deliver; every socket is told the newest state instead")
            self._messages.clear()
            self._messages_bytes = 0
            self._greet_all()
        self._messages.append((channel, message))
        self._messages_bytes += len(message)
        self._wake.set()

    def _greet_all(self) -> None:
        for listeners in list(self._listeners.values()):
            for connection in listeners:
                self._greetings.ask(connection)

    async def keep_delivering(self) -> None:
        """Never returns."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._messages:
                channel, message = self._messages.popleft()
                self._messages_bytes -= len(message)
                try:
                    await self._deliver(channel, message)
                except Exception as error:
                    self._missed(channel, error, self._listeners.get(channel, {}))
                await asyncio.sleep(0)  # others have a turn too

    def _missed(self, channel: str, error: Exception, who: Iterable[Connection]) -> None:
        """Something was not delivered: who would have been told it is told the newest state."""
        expected = isinstance(error, CroupierError | msgspec.DecodeError)
        if (extra := self._limiter.allow(type(error).__name__)) is not None:
            log.log(
                logging.WARNING if expected else logging.ERROR,
                "something was not delivered; the newest state is told instead",
                channel=channel, error=repr(error), exc_info=None if expected else error, **extra,
            )  # fmt: skip
        for connection in who:
            self._greetings.ask(connection)

    async def _deliver(self, channel: str, message: bytes) -> None:
        listeners = self._listeners.get(channel, {})
        if message == RESTARTED:
            for connection in list(listeners):
                self._greetings.ask(connection)
        elif message == BANNED:
            for uid in {connection.identity.uid for connection in listeners}:
                self._ban(uid)
        elif channel.startswith(keys.broadcast()):
            self._push(channel, _read_json(message))
        elif listeners:
            for event in decode_events(message):
                try:
                    await self._deliver_event(channel, event)
                except Exception as error:
                    self._missed(channel, error, self._listeners.get(channel, {}))

    async def _deliver_event(self, channel: str, event: Event) -> None:
        try:
            if any(self._listeners.get(channel, {}).values()):
                push = msgspec.to_builtins(GameEvent(await self._greetings.show(event)))
                if self._push(channel, push, (event.id.epoch, event.id.seq)):
                    FANOUT_SECONDS.observe(max(0, self._now_ms() - event.ts_ms) / 1000)
        finally:
            self._end_if_banned(event)

    def _end_if_banned(self, event: Event) -> None:
        record = event.image(keys.player(event.id.partition, event.header.uid))
        if record is not None and PLAYER.unpack(record).flags & FLAG_BANNED:
            self._ban(event.header.uid)

    def _push(self, channel: str, push: Any, place: tuple[int, int] | None = None) -> bool:
        """Push it to all who are shown it, encoded once per subprotocol. Whether any was sent.

        A subprotocol that cannot say it does not keep it from the others.
        """
        sent = False
        by_codec: dict[Codec, list[Connection]] = {}
        for connection, is_shown in self._listeners.get(channel, {}).items():
            if is_shown:
                by_codec.setdefault(connection.codec, []).append(connection)
        for codec, connections in by_codec.items():
            try:
                encoded = codec.encode(push)
            except Exception as error:
                self._missed(channel, error, connections)
                continue
            for connection in connections:
                sent = connection.push_event(encoded, place) or sent
        return sent


def _announced(told: "asyncio.Future[Reply]") -> None:
    if not told.cancelled() and (error := told.exception()) is not None:
        log.info("a ban was not announced", error=str(error))


def _own_channel(connection: Connection) -> str:
    """The channel of the player whose socket it is: its events say when that player is banned."""
    uid = connection.identity.uid
    return keys.player_events(uid % PARTITIONS, uid)


def _channels(connection: Connection) -> tuple[str, ...]:
    """What a socket needs to hear."""
    own = _own_channel(connection)
    if connection.kind == "monitor":
        every = (name(partition) for partition in range(PARTITIONS) for name in (keys.monitor, keys.live))
        return own, *every
    live = keys.live(connection.identity.uid % PARTITIONS)
    if connection.kind == "notifications":
        return own, live, keys.notifications(connection.subject), keys.broadcast()
    return own, live
