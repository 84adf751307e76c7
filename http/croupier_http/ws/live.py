"""From Redis to sockets: listens to the channels that the worker's sockets need, and to no others."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import msgspec
import structlog

from croupier.errors import CroupierError
from croupier.live import BANNED, RESTARTED, decode_events
from croupier.partition import PARTITIONS
from croupier.transport import Reply, Subscription, Transport, TransportError
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
                except (CroupierError, msgspec.DecodeError) as error:
                    log.warning("an event was not delivered", channel=channel, error=str(error))
                    for connection in self._listeners.get(channel, {}):
                        self._greetings.ask(connection)
                except Exception:
                    log.exception("an event could not be delivered", channel=channel)
                await asyncio.sleep(0)  # others have a turn too

    async def _deliver(self, channel: str, message: bytes) -> None:
        listeners = self._listeners.get(channel, {})
        if message == RESTARTED:
            for connection in list(listeners):
                self._greetings.ask(connection)
        elif message == BANNED:
            for uid in {connection.identity.uid for connection in listeners}:
                self._ban(uid)
        elif channel.startswith(keys.broadcast()):
            _push(listeners, _read_json(message))
        elif listeners:
            for event in decode_events(message):
                await self._deliver_event(channel, event)

    async def _deliver_event(self, channel: str, event: Event) -> None:
        if any(self._listeners.get(channel, {}).values()):
            push = msgspec.to_builtins(GameEvent(await self._greetings.show(event)))
            if _push(self._listeners.get(channel, {}), push, (event.id.epoch, event.id.seq)):
                FANOUT_SECONDS.observe(max(0, self._now_ms() - event.ts_ms) / 1000)
        record = event.image(keys.player(event.id.partition, event.header.uid))
        if record is not None and PLAYER.unpack(record).flags & FLAG_BANNED:
            self._ban(event.header.uid)


def _push(listeners: Listeners, push: Any, place: tuple[int, int] | None = None) -> bool:
    """Push it to all who are shown it, encoded once per subprotocol. Whether any was sent."""
    encoded: dict[Codec, bytes] = {}
    sent = False
    for connection in [each for each, is_shown in listeners.items() if is_shown]:
        codec = connection.codec
        if codec not in encoded:
            encoded[codec] = codec.encode(push)
        sent = connection.push_event(encoded[codec], place) or sent
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
