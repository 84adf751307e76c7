"""The transport as its users see it: send a command; get its reply, or an error that says whether it ran."""

import asyncio
import random
from collections.abc import Sequence
from time import monotonic
from typing import Final, Protocol

import structlog

from croupier.transport.address import Address
from croupier.transport.breaker import MISSED_MAX, Breaker, BreakerState
from croupier.transport.connection import Argument, Connection, Counters, Reply, pack
from croupier.transport.errors import (
    MOVED_AWAY_CODES,
    REFUSED_CODES,
    OutcomeUnknown,
    ReplyError,
    TransportError,
    Unavailable,
)
from croupier.transport.failures import why_not_connected
from croupier.transport.handshake import Identity, Server, shake_hands

log = structlog.get_logger(__name__)

_TIMEOUT_DEFAULT_S: Final = 2.0

# Pauses between attempts to connect double from the one to the other, each shortened by up to half at random.
_RECONNECT_PAUSE_MIN_S: Final = 0.01
_RECONNECT_PAUSE_MAX_S: Final = 1.0
# A connection that lasted this long was a good one: the next loss starts with the short pause again.
_CONNECTION_SETTLED_S: Final = 1.0

# Pauses between probes of a connection that has missed deadlines double likewise.
_PROBE_PAUSE_MIN_S: Final = 0.05
_PROBE_PAUSE_MAX_S: Final = 1.0
_PROBE_TIMEOUT_S: Final = 0.5

_CLOSED: Final = BreakerState.CLOSED

# Back-off between repeats of a refused command.
_REPEAT_PAUSE_MIN_S: Final = 0.01
_REPEAT_PAUSE_MAX_S: Final = 0.2


class Script(Protocol):
    """What the transport needs of a Lua script: its source and the SHA-1 of it, in hexadecimal."""

    @property
    def sha(self) -> str: ...

    @property
    def source(self) -> bytes | str: ...


class Transport:
    """A reconnecting client with one multiplexed connection, for the event loop in which `open` was called.

    `in_flight_max` bounds the calls that wait for a reply. `connect_timeout_s` is for connecting and the
    handshake together. A connection is dropped when a deadline has passed and nothing arrives for `stall_s`
    after it. Raises ValueError for a URL that is none.

    While the circuit breaker is not closed every call fails at once with Unavailable: nothing is queued for
    later. It is open while there is no connection, and when `missed_max` deadlines in a row were missed on one.
    One probe at a time then asks the server whether it answers: a PING on the connection, while it lasts, or
    the handshake of the next one.
    """

    def __init__(
        self,
        url: str,
        *,
        in_flight_max: int = 10_000,
        connect_timeout_s: float = 2.0,
        stall_s: float = 1.0,
        missed_max: int = MISSED_MAX,
    ) -> None:
        self._url = url
        self._address = Address.from_url(url)
        self._in_flight_max = in_flight_max
        self._connect_timeout_s = connect_timeout_s
        self._stall_s = stall_s
        self._missed_max = missed_max
        self._counters = Counters()
        self._connections: set[Connection] = set()  # the current one, and retired ones until they are closed
        self._connection: Connection | None = None
        self._server: Server | None = None
        self._connected = asyncio.Event()
        self._connected_at_s = 0.0
        self._reconnecting: asyncio.Task[None] | None = None
        self._reconnect_pause_s = _RECONNECT_PAUSE_MIN_S
        self._probing: asyncio.Task[None] | None = None
        self._closing = False
        self.breaker = Breaker(str(self._address))
        self.connection_number = 0  # 1 for the first connection, one more for each that follows
        self.reconnects = 0

    # What is known about the server and the traffic.

    @property
    def server(self) -> Server | None:
        """Everything learned about the server on the current connection; None while there is none."""
        return self._server

    @property
    def identity(self) -> Identity | None:
        return self._server.identity if self._server else None

    @property
    def server_version(self) -> str | None:
        return self._server.version if self._server else None

    @property
    def in_flight(self) -> int:
        """Calls that occupy the current connection's queue, including those whose callers have gone."""
        return self._connection.in_flight if self._connection else 0

    @property
    def unknown_outcomes(self) -> int:
        """Calls that failed with OutcomeUnknown."""
        return self._counters.unknown_outcomes

    # Calls.

    def send(self, *args: Argument, timeout_s: float = _TIMEOUT_DEFAULT_S) -> "asyncio.Future[Reply]":
        """Queue one command and return the future of its reply. The hot path: no coroutine, no repeats.

        A passed deadline is noticed within 50 ms. Cancelling the future does not take the command back.

        Raises, at once: Unavailable or Overloaded (nothing was sent), TypeError for an argument that is not
        bytes, str or int. The future raises ReplyError, OutcomeUnknown, or Unavailable when the deadline
        passed or the connection was lost before the command could be written.
        """
        if not args:
            raise TypeError("a command needs at least its name")  # the server would not answer an empty one
        return self._submit(args, timeout_s)

    def _submit(self, args: tuple[Argument, ...], timeout_s: float) -> "asyncio.Future[Reply]":
        connection = self._connection
        if connection is None or self.breaker.state is not _CLOSED:
            raise Unavailable(f"Redis at {self._address}: {self.breaker.why}; nothing was sent")
        if timeout_s <= 0:
            raise Unavailable(f"Redis at {self._address}: the deadline has already passed; nothing was sent")
        return connection.submit(pack(args), monotonic() + timeout_s)

    async def call(self, *args: Argument, timeout_s: float = _TIMEOUT_DEFAULT_S) -> Reply:
        """Send one command, and again while the server refuses to execute it (`REFUSED_CODES`).

        All within `timeout_s`; then the last refusal is raised. Raises like `send`, never repeats after
        OutcomeUnknown.
        """
        deadline_s = monotonic() + timeout_s
        try:
            return await self.send(*args, timeout_s=timeout_s)
        except ReplyError as error:
            refusal = error
        return await self._repeat(args, refusal, deadline_s, script=None)

    async def run(
        self,
        script: Script,
        keys: Sequence[bytes | str],
        args: Sequence[Argument],
        timeout_s: float = _TIMEOUT_DEFAULT_S,
        *,
        connection_number: int | None = None,
    ) -> Reply:
        """Run a script by its SHA-1, loading it where the server does not have it. Otherwise like `call`.

        With `connection_number` it runs on that connection or not at all (Unavailable): for arguments made
        from what was learned there, which another server must not see.
        """
        deadline_s = monotonic() + timeout_s
        try:
            return await self.start(script, keys, args, timeout_s, connection_number=connection_number)
        except ReplyError as error:
            refusal = error
        command = ("EVALSHA", script.sha, len(keys), *keys, *args)
        return await self._repeat(command, refusal, deadline_s, script, connection_number)

    def start(
        self, script: Script, keys: Sequence[bytes | str], args: Sequence[Argument],
        timeout_s: float = _TIMEOUT_DEFAULT_S, *, connection_number: int | None = None,
    ) -> "asyncio.Future[Reply]":  # fmt: skip
        """The first attempt of `run`. Raises like `send`; after a reply of `NOT_EXECUTED_CODES`, `run` may follow."""
        self._require(connection_number)
        return self._submit(("EVALSHA", script.sha, len(keys), *keys, *args), timeout_s)

    def _require(self, connection_number: int | None) -> None:
        if connection_number not in (None, self.connection_number):
            raise self._gone(connection_number)

    def _gone(self, connection_number: int | None) -> Unavailable:
        return Unavailable(
            f"Redis at {self._address}: connection {connection_number} is gone; the script did not run"
        )

    async def _repeat(
        self,
        command: tuple[Argument, ...],
        refusal: ReplyError,
        deadline_s: float,
        script: Script | None,
        connection_number: int | None = None,
    ) -> Reply:
        pause_s = _REPEAT_PAUSE_MIN_S
        while True:
            if refusal.code == "NOSCRIPT" and script is not None:
                await self._load(script, deadline_s)
                script = None  # a second NOSCRIPT means that sha and source do not belong together
            elif refusal.code in MOVED_AWAY_CODES:
                if connection_number is not None:
                    raise self._gone(connection_number) from refusal
                if not await self._is_connected_by(deadline_s):
                    raise refusal
            elif refusal.code in REFUSED_CODES:
                await asyncio.sleep(min(_jittered(pause_s), max(0.0, deadline_s - monotonic())))
                pause_s = min(2 * pause_s, _REPEAT_PAUSE_MAX_S)
            else:
                raise refusal
            timeout_s = deadline_s - monotonic()
            if timeout_s <= 0:
                raise refusal
            self._require(connection_number)
            try:
                return await self.send(*command, timeout_s=timeout_s)
            except ReplyError as error:
                refusal = error

    async def _load(self, script: Script, deadline_s: float) -> None:
        try:
            await self.call("SCRIPT", "LOAD", script.source, timeout_s=deadline_s - monotonic())
        except OutcomeUnknown as error:  # that is about loading: the script itself was not run
            raise Unavailable("the script could not be loaded, so it did not run") from error

    async def _is_connected_by(self, deadline_s: float) -> bool:
        try:
            async with asyncio.timeout(deadline_s - monotonic()):
                return await self._connected.wait()
        except TimeoutError:
            return False

    # The connection.

    async def open(self) -> None:
        """Make the first connection. From then on it is made again by itself whenever it is lost.

        Raises Unavailable if it cannot be had, which includes a refused login and a server that is a replica.
        """
        if self.connection_number or self._closing:
            raise RuntimeError("a transport is opened once")
        self._use(await self._connect())

    async def close(self, drain_s: float = 1.0) -> None:
        """Refuse new calls, wait up to `drain_s` for the replies still due, fail the rest, disconnect."""
        self._closing = True
        why = "the transport is closed"
        self.breaker.shut(why)
        for task in (self._reconnecting, self._probing):
            if task is not None:
                task.cancel()
                await asyncio.wait([task])
        connections = list(self._connections)
        if not connections:
            return
        for connection in connections:
            connection.flush()
            connection.retire(why)
        await asyncio.wait([connection.lost for connection in connections], timeout=drain_s)
        for connection in connections:
            connection.close(why)
        await asyncio.wait([connection.lost for connection in connections])

    def beside(self) -> "Transport":
        """Another transport to the same server, not open yet: for calls that would hold up all others on this one."""
        return Transport(
            self._url, in_flight_max=self._in_flight_max, connect_timeout_s=self._connect_timeout_s,
            stall_s=self._stall_s,
        )  # fmt: skip

    def reconnect(self, reason: str) -> None:
        """Forget the server and connect again, for a caller that has seen that it is not the one it was.

        Calls already written still get their replies from the old connection.
        """
        if self._connection is not None:
            self._connection.retire(reason)

    async def _connect(self) -> tuple[Connection, Server]:
        connection = Connection(
            str(self._address),
            in_flight_max=self._in_flight_max,
            stall_s=self._stall_s,
            on_retired=self._retired,
            on_missed=self._missed,
        )
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                await self._create_socket(connection)
                self._connections.add(connection)
                connection.lost.add_done_callback(lambda _: self._connections.discard(connection))
                server = await shake_hands(connection, self._address, monotonic() + self._connect_timeout_s)
        except TimeoutError:
            connection.close("no connection in time")
            late = TimeoutError(f"no connection within {self._connect_timeout_s:g} s")
            raise Unavailable(f"Redis at {self._address}: {why_not_connected(late, self._address)}") from None
        except (OSError, TransportError) as error:
            connection.close("the connection could not be made")
            raise Unavailable(
                f"Redis at {self._address}: {why_not_connected(error, self._address)}"
            ) from error
        except BaseException:
            connection.close("connecting was given up")
            raise
        return connection, server

    async def _create_socket(self, connection: Connection) -> None:
        loop, address = asyncio.get_running_loop(), self._address
        if address.socket_path:
            await loop.create_unix_connection(lambda: connection, address.socket_path)
            return
        await loop.create_connection(lambda: connection, address.host, address.port, ssl=address.tls)

    def _use(self, connected: tuple[Connection, Server]) -> None:
        connection, server = connected
        connection.counters = self._counters
        self._connection, self._server = connection, server
        self._connected_at_s = monotonic()
        self.connection_number += 1
        self.breaker.close()
        self._connected.set()
        if connection.closed:  # between the last reply of the handshake and now
            self._retired(connection, "the connection was closed as soon as it was made")

    def _retired(self, connection: Connection, reason: str) -> None:
        if connection is not self._connection:
            return  # it was lost during the handshake
        self._connection = self._server = None
        self._connected.clear()
        if self._closing:
            return
        self.breaker.open(reason)
        if monotonic() - self._connected_at_s >= _CONNECTION_SETTLED_S:
            self._reconnect_pause_s = _RECONNECT_PAUSE_MIN_S
        log.warning("redis connection lost", address=str(self._address), reason=reason)
        self._reconnecting = asyncio.get_running_loop().create_task(self._reconnect())

    async def _reconnect(self) -> None:
        while True:
            await asyncio.sleep(_jittered(self._reconnect_pause_s))
            self._reconnect_pause_s = min(2 * self._reconnect_pause_s, _RECONNECT_PAUSE_MAX_S)
            self.breaker.probing()
            try:
                connected = await self._connect()
            except Unavailable as error:
                self.breaker.probe_failed()
                log.debug("redis still out of reach", error=str(error))
                continue
            self.reconnects += 1
            self._use(connected)
            log.info("redis connected again", address=str(self._address), identity=str(self.identity))
            return

    # Probes of a connection that is there, and behind which nobody answers in time.

    def _missed(self, connection: Connection, missed_in_a_row: int) -> None:
        if connection is not self._connection or missed_in_a_row < self._missed_max:
            return
        if self.breaker.state is _CLOSED:
            self.breaker.open(f"the last {missed_in_a_row} deadlines passed without a reply")
            self._probing = asyncio.get_running_loop().create_task(self._probe(connection))

    async def _probe(self, connection: Connection) -> None:
        pause_s = _PROBE_PAUSE_MIN_S
        while True:
            await asyncio.sleep(_jittered(pause_s))
            pause_s = min(2 * pause_s, _PROBE_PAUSE_MAX_S)
            if connection is not self._connection:
                return  # it was lost, and connecting again is the probe
            self.breaker.probing()
            try:
                await connection.submit(pack(("PING",)), monotonic() + _PROBE_TIMEOUT_S)
            except ReplyError:
                pass  # it answers, if only that it is busy
            except TransportError as error:
                if connection is self._connection:
                    self.breaker.probe_failed()
                log.debug("redis still does not answer in time", error=str(error))
                continue
            if connection is self._connection:
                self.breaker.close()
            return


def _jittered(pause_s: float) -> float:
    return pause_s * random.uniform(0.5, 1.0)  # noqa: S311 - it spreads load and protects nothing
