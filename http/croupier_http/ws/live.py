"""From Redis to sockets: listens to the channels that the worker's sockets need, and to no others."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import msgspec
import structlog

from croupier.errors import CroupierError
from croupier.live import RESTARTED, GameEvent, decode_events
from croupier.partition import PARTITIONS
from croupier.transport import Subscription
from croupier_http.metrics import FANOUT_SECONDS
from croupier_http.ws.codecs import Codec
from croupier_http.ws.connection import Connection
from croupier_http.ws.greetings import Greetings
from croupier_schemas import keys
from croupier_schemas.events import Event
from croupier_schemas.records import FLAG_BANNED, PLAYER

log = structlog.get_logger(__name__)

MESSAGES_MAX: Final = 10_000
"""Messages that wait to be delivered; beyond, they are dropped, and every socket is told the newest state."""

MESSAGES_BYTES_MAX: Final = 16 * 1024 * 1024
"""The same in bytes: a message for who watches everything has up to 100 events."""

Listeners = dict[Connection, None]

_read_json = msgspec.json.Decoder().decode


class Live:
    """Delivers what is published. `banned` hears of players whose events say that they are."""

    def __init__(
        self,
        redis_url: str,
        greetings: Greetings,
        now_ms: Callable[[], int],
        banned: Callable[[int], None],
    ) -> None:
        self._subscription = Subscription(redis_url, [keys.broadcast()])
        self._greetings = greetings
        self._now_ms = now_ms
        self._banned = banned
        self._listeners: dict[str, Listeners] = {keys.broadcast(): {}}
        self._confirmed: set[str] = set()
        self._messages: deque[tuple[str, bytes]] = deque()
        self._messages_bytes = 0
        self._wake = asyncio.Event()
        self._needed = asyncio.Event()

    def add(self, connection: Connection) -> None:
        """Deliver to this socket what concerns it; first of all a greeting, once nothing can be missed after it."""
        connection.on_gap = lambda: self._greetings.ask(connection)
        for channel in _channels(connection):
            listeners = self._listeners.get(channel)
            if listeners is None:
                listeners = self._listeners[channel] = {}
                self._subscription.add(channel)
            listeners[connection] = None
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
        elif channel.startswith(keys.broadcast()):
            _push(listeners, _read_json(message))
        elif listeners:
            for event in decode_events(message):
                await self._deliver_event(channel, event)

    async def _deliver_event(self, channel: str, event: Event) -> None:
        push = msgspec.to_builtins(GameEvent(await self._greetings.show(event)))
        listeners = self._listeners.get(channel, {})
        if _push(listeners, push, (event.id.epoch, event.id.seq)):
            FANOUT_SECONDS.observe(max(0, self._now_ms() - event.ts_ms) / 1000)
        record = event.image(keys.player(event.id.partition, event.header.uid))
        if record is not None and PLAYER.unpack(record).flags & FLAG_BANNED:
            self._banned(event.header.uid)


def _push(listeners: Listeners, push: Any, place: tuple[int, int] | None = None) -> bool:
    """Push it to all, encoded once per subprotocol. Whether any was sent."""
    encoded: dict[Codec, bytes] = {}
    sent = False
    for connection in list(listeners):
        codec = connection.codec
        if codec not in encoded:
            encoded[codec] = codec.encode(push)
        sent = connection.push_event(encoded[codec], place) or sent
    return sent


def _channels(connection: Connection) -> tuple[str, ...]:
    """What a socket needs to hear."""
    if connection.kind == "notifications":
        return keys.notifications(connection.subject), keys.broadcast()
    if connection.kind == "monitor":
        return tuple(name(partition) for partition in range(PARTITIONS) for name in (keys.monitor, keys.live))
    partition = connection.subject % PARTITIONS
    return keys.player_events(partition, connection.subject), keys.live(partition)
