"""All open sockets of a worker: how many there may be, whether their clients still live, and how they end."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterator
from time import monotonic
from typing import Final

from croupier_http.metrics import SLOW_READERS, SOCKETS
from croupier_http.ws.channel import Channel
from croupier_http.ws.connection import (
    NOT_ALLOWED,
    RESTART,
    TOKEN_EXPIRED,
    TRY_LATER,
    Connection,
    Kind,
)
from croupier_schemas.live import Reconnect

HEARTBEAT_S: Final = 30.0
"""After so long a silence a client is asked for a sign of life, and after twice as long its socket is ended."""
SLOW_MAX_S: Final = 10.0
"""A client that has not read for so long loses its socket."""

_ROUND_S: Final = 1.0
_SPREAD_MIN_MS: Final = 1_000
_SPREAD_MS_PER_SOCKET: Final = 1
_DRAIN_POLL_S: Final = 0.02


class Sockets:
    """The open sockets, each with its channel."""

    def __init__(self, sockets_max: int, per_player: int) -> None:
        """`per_player` is how many of all kinds together a player may have; 0 is no limit."""
        self._sockets_max = sockets_max
        self._per_player = per_player
        self._channels: dict[Connection, Channel] = {}
        self._of_caller: dict[int, tuple[Connection, ...]] = {}
        self._open: Counter[Kind] = Counter()
        self._draining = False

    def __len__(self) -> int:
        return len(self._channels)

    def __iter__(self) -> Iterator[Connection]:
        return iter(list(self._channels))

    def why_not(self, caller: int) -> str:
        """Why this player may not open another socket; empty where that is possible."""
        if self._draining:
            return "this server is stopping"
        if len(self._channels) >= self._sockets_max:
            return "this server has no room for another socket"
        if self._per_player and len(self._of_caller.get(caller, ())) >= self._per_player:
            return f"a player may have {self._per_player} sockets"
        return ""

    def add(self, connection: Connection, channel: Channel) -> None:
        """Look after a socket until it is removed."""
        caller = connection.identity.uid
        self._channels[connection] = channel
        self._of_caller[caller] = (*self._of_caller.get(caller, ()), connection)
        self._open[connection.kind] += 1

    def remove(self, connection: Connection) -> None:
        """The socket has ended."""
        caller = connection.identity.uid
        del self._channels[connection]
        left = tuple(each for each in self._of_caller[caller] if each is not connection)
        if left:
            self._of_caller[caller] = left
        else:
            del self._of_caller[caller]
        self._open[connection.kind] -= 1

    def ban(self, uid: int) -> bool:
        """Close all sockets of a player, of whatever kind. Whether there were any."""
        opened = [each for each in self._of_caller.get(uid, ()) if not each.is_ending]
        for connection in opened:
            connection.close(NOT_ALLOWED, "PLAYER_BANNED")
        return bool(opened)

    def sample(self) -> None:
        """Bring the gauges up to date."""
        for kind, count in self._open.items():
            SOCKETS.labels(kind).set(count)

    async def keep_watching(self) -> None:
        """Look at every socket once a second. Never returns.

        One task for all: a timer for each of thousands would cost more than the look.
        """
        while True:
            await asyncio.sleep(_ROUND_S)
            now_s, unix_s = monotonic(), time.time()
            for connection in self:
                self._watch(connection, now_s, unix_s)

    def _watch(self, connection: Connection, now_s: float, unix_s: float) -> None:
        if connection.close_code:
            return  # it has a time of its own to end
        if connection.identity.expires_s <= unix_s:
            connection.close(TOKEN_EXPIRED, "the token has expired")
        if connection.is_slow:
            if not connection.slow_since_s:
                connection.slow_since_s = now_s
            elif now_s - connection.slow_since_s > SLOW_MAX_S:
                SLOW_READERS.inc()
                connection.close(TRY_LATER, "too slow")
            return
        silent_s = now_s - connection.heard_s
        if silent_s > 2 * HEARTBEAT_S:
            connection.abort()
        elif silent_s > HEARTBEAT_S and not connection.pinged:
            connection.ping()

    def _all_idle(self) -> bool:
        return all(channel.is_idle for channel in self._channels.values())

    async def drain(self, timeout_s: float) -> None:
        """Take no more commands, answer those that were begun, tell each client when to come back, close.

        The clients come back to other servers, or to one that starts: spread over a time that grows with their number.
        """
        self._draining = True
        for channel in self._channels.values():
            channel.draining = True
        deadline_s = monotonic() + timeout_s
        # Once in a life: an event would have to be set by each command.
        while monotonic() < deadline_s and not self._all_idle():  # noqa: ASYNC110
            await asyncio.sleep(_DRAIN_POLL_S)
        spread_ms = _SPREAD_MIN_MS + _SPREAD_MS_PER_SOCKET * len(self._channels)
        for connection in self:
            after_ms = random.randrange(spread_ms)  # noqa: S311 - it spreads load
            connection.push(connection.codec.encode(Reconnect(after_ms)))
            connection.close(RESTART, "the server is stopping")
        if self._channels:
            await asyncio.wait([connection.ended for connection in self])
