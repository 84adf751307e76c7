"""Croupier over a WebSocket: commands, and what happens to the player."""

import asyncio
import contextlib
import copy
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Literal, ParamSpec, Self, TypeVar

import aiohttp
import msgspec

from croupier_client.answers import Answer
from croupier_client.client import ATTEMPT_S, DEADLINE_S, base_url_of
from croupier_client.codecs import CODECS, Facts, SocketReply
from croupier_client.commands import COMMANDS_PER_FRAME, Commands, Pace
from croupier_client.connecting import HEARTBEAT_S, Connector
from croupier_client.errors import (
    ClientError,
    CroupierProtocolError,
    CroupierRefused,
    CroupierUnavailable,
)
from croupier_client.inbox import PUSHES_MAX, Inbox
from croupier_client.keys import Keys
from croupier_client.link import Link
from croupier_client.methods import Answers, CommandMethods
from croupier_client.operation import Operation
from croupier_client.operations import operation_of
from croupier_client.pushes import Greeting, Push, PushReader
from croupier_client.retries import Patience, require_deadline
from croupier_client.silence import Silence
from croupier_client.tokens import Token, Tokens

P = ParamSpec("P")
Reply = TypeVar("Reply")

PLAYER: Final = "/api/games/ws"
MONITOR: Final = "/api/games/ws/monitor"
IN_FLIGHT_MAX: Final = 256
FRAMES_PER_SECOND: Final = 200
MESSAGE_BYTES_MAX: Final = 4 * 1024 * 1024
DRAIN_S: Final = 5.0

_NOTIFICATIONS: Final = "/ws/notifications/"
_OK: Final = 200
_NO_FACTS: Final = Facts()


def notifications_of(user_id: int) -> str:
    """The path of the socket for a player's notifications."""
    return f"{_NOTIFICATIONS}{user_id}"


class Stream(CommandMethods):
    """A WebSocket that is opened again whenever it is lost. Use it as an async context manager.

    Calls that are made at once share frames, and are answered in any order. A command whose answer was lost is sent
    again under the same idempotency key, so it is done once (the server holds keys for ten minutes, its
    IDEMPOTENCY_TTL_SECONDS). Calls raise what those of `Client` raise.

    >>> async with Stream("http://127.0.0.1:8000", token) as stream:
    ...     replies = await asyncio.gather(*(stream.spin(bet_amount=100) for _ in range(8)))
    ...     async for push in stream:
    ...         if isinstance(push, GameEvent):
    ...             print(push.event.event_type, reply_of(push.event))

    Each connection begins with a `Hello`: what happened while there was none is in that, and is not pushed. One at
    a time may iterate. Pushes that are not taken are dropped, the oldest first; `Missed` then says how many.
    """

    def __init__(
        self,
        base_url: str,
        token: Token,
        *,
        path: str = PLAYER,
        protocol: Literal["msgpack", "json"] = "msgpack",
        tickets: bool = False,
        deadline_s: float = DEADLINE_S,
        attempt_s: float = ATTEMPT_S,
        in_flight_max: int = IN_FLIGHT_MAX,
        pushes_max: int = PUSHES_MAX,
        commands_per_frame: int = COMMANDS_PER_FRAME,
        frames_per_second: int = FRAMES_PER_SECOND,
        message_bytes_max: int = MESSAGE_BYTES_MAX,
        heartbeat_s: float = HEARTBEAT_S,
    ) -> None:
        """`token` and `deadline_s` are as for `Client`. `path` is `PLAYER`, `MONITOR` or `notifications_of(user_id)`.

        A socket counts as lost where a command waits and no frame has come for `attempt_s` seconds. `tickets` sends a
        one-use ticket in the address in place of a header. Beyond `in_flight_max` commands callers wait for their turn.
        `frames_per_second` is the server's limit; 0: it has none. A server that is silent for `heartbeat_s` is asked
        for a sign of life, and lost after half as long again. Raises ValueError.
        """
        self._url = base_url_of(base_url)
        self._codec = CODECS[protocol]
        self._deadline_s = require_deadline(deadline_s)
        self._commands = Commands(self._codec, commands_per_frame)
        self._places = asyncio.Semaphore(in_flight_max)
        self._inbox = Inbox(pushes_max)
        connector = Connector(
            self._url,
            path,
            Tokens(token),
            self._codec,
            tickets=tickets,
            message_bytes_max=message_bytes_max,
            heartbeat_s=heartbeat_s,
        )
        pushes = PushReader(self._codec, notifications=path.startswith(_NOTIFICATIONS))
        pace, silence = Pace(frames_per_second), Silence(attempt_s)
        self._link = Link(connector, self._codec, self._commands, pushes, self._inbox, pace, silence)
        self._keys = Keys()
        self._session: aiohttp.ClientSession | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._running = 0
        self._idle = asyncio.Event()
        self._closing = False

    def __repr__(self) -> str:
        return f"<Stream {self._url} {'open' if self.is_open else 'not open'}>"

    @property
    def is_open(self) -> bool:
        """Whether there is a socket now."""
        return self._link.opened.is_set() and self._link.failure is None

    @property
    def hello(self) -> Greeting | None:
        """How things stood when the socket was last greeted; None before."""
        return self._link.hello

    async def greeted(self) -> Greeting:
        """Wait for the first greeting: a Hello, an UnreadHello of notifications, a MonitorSnapshot of the monitor.

        Raises as calls do.
        """
        await self._until(self._link.greeted, "no greeting in time")
        assert self._link.hello is not None
        return self._link.hello

    async def __aenter__(self) -> Self:
        """Open the first socket. Raises CroupierRefused; CroupierUnavailable, whose cause is the last error met."""
        self._keys = Keys()  # here, since a process that was forked after the constructor must have others
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=None), cookie_jar=aiohttp.DummyCookieJar()
        )
        self._keeper = asyncio.create_task(self._link.keep_open(self._session))
        # What ends the link ends the iteration too.
        self._keeper.add_done_callback(lambda _: self._inbox.end(self._link.failure))
        try:
            await self._until(self._link.opened, "no connection in time")
        except BaseException:
            await self.close(drain_s=0)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close(DRAIN_S if error is None else 0)

    async def close(self, drain_s: float = DRAIN_S) -> None:
        """Take no more calls, wait for the answers to those that were made, then close the socket.

        Calls that still wait after `drain_s` seconds end with CroupierUnavailable.
        """
        self._closing = True
        if self._running and drain_s:
            self._idle.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(drain_s):
                    await self._idle.wait()
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        self._link.fail(self._link.failure or CroupierUnavailable("the stream is closed"))
        if self._session is not None:
            await self._session.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Push:
        return await self._inbox.take()

    def options(self, *, key: str = "", deadline_s: float | None = None) -> "StreamWith":
        """The same stream, with an idempotency key of one's own, or with another deadline, for the calls made on it.

        Both are as of `Client.options`. Raises ValueError for a deadline above 300 seconds.
        """
        if deadline_s is not None:
            require_deadline(deadline_s)
        return StreamWith(self, key, deadline_s)

    @property
    def answers(self) -> Answers:
        """The commands, with all of the answer, as of a `Client`."""
        return Answers(self)

    async def call(self, name: str, arguments: Mapping[str, Any] | None = None) -> Any:
        """A command by its name, such as `gacha.pull`. Raises ValueError for a name that there is not."""
        return await self.run(operation_of(name), arguments or {})

    async def run(
        self,
        operation: Operation[P, Reply],
        arguments: object,
        /,
        *,
        key: str = "",
        deadline_s: float | None = None,
    ) -> Reply:
        """Give a command; `arguments` are its request, or a mapping with what that holds."""
        return (await self.ask(operation, arguments, key=key, deadline_s=deadline_s)).reply

    async def ask(
        self,
        operation: Operation[P, Reply],
        arguments: object,
        /,
        *,
        key: str = "",
        deadline_s: float | None = None,
    ) -> Answer[Reply]:
        """As `run`, with all of the answer."""
        if operation.kind != "command":
            raise ValueError(f"{operation.name} is asked for over HTTP: use `Client`")
        self._require_running()
        if self._closing:
            raise CroupierUnavailable("the stream is closed")
        within_s = self._deadline_s if deadline_s is None else deadline_s
        patience = Patience(operation, key or self._keys.new(), within_s)
        self._running += 1
        try:
            while True:
                reply = await self._reply(operation, arguments, patience)
                facts = reply.facts or _NO_FACTS
                if reply.status == _OK:
                    return Answer(
                        self._read(operation.from_socket[self._codec.name], reply, patience),
                        facts.replayed,
                        facts.rate_limit_sim == "blocked",
                        facts.op_id,
                    )
                body = self._read(self._codec.decode, reply, patience)
                refusal = CroupierRefused.of_body(reply.status, body, facts.retry_after, facts.op_id)
                await asyncio.sleep(patience.after_refusal(refusal))
        finally:
            self._running -= 1
            if not self._running:
                self._idle.set()

    async def _reply(
        self, operation: Operation[..., Any], arguments: object, patience: Patience
    ) -> SocketReply:
        """Send it, and wait for the reply. Raises CroupierUnavailable, and what has ended the stream."""
        places, waiting = self._places, None
        try:
            if places.locked():
                async with asyncio.timeout(max(0.0, patience.left_s())):
                    await places.acquire()
            else:
                await places.acquire()
            try:
                loop = asyncio.get_running_loop()
                answer: asyncio.Future[SocketReply] = loop.create_future()
                self._require_running()
                waiting = self._commands.add(operation.name, arguments, patience.key, answer)
                # It fails the answer alone; `asyncio.timeout` would have to cancel the caller's task.
                timer = loop.call_later(max(0.0, patience.left_s()), _time_out, answer)
                try:
                    return await answer
                finally:
                    timer.cancel()
                    self._commands.forget(waiting)
            finally:
                places.release()
        except TimeoutError:
            raise patience.over("no answer in time", sent=waiting is not None and waiting.sent) from None
        except ConnectionAbortedError:
            sent = waiting is not None and waiting.sent
            raise patience.over(f"the stream has ended: {self._link.failure}", sent=sent) from None

    def _read(self, decode: Any, reply: SocketReply, patience: Patience) -> Any:
        try:
            return decode(reply.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise CroupierProtocolError(f"the answer cannot be read: {error}", patience.key) from None

    def _require_running(self) -> None:
        """Raise why no command can be sent."""
        if self._link.failure is not None:
            raise _copied(self._link.failure)
        if self._session is None:
            raise RuntimeError(
                "use the stream as an async context manager: `async with Stream(...) as stream:`"
            )

    async def _until(self, event: asyncio.Event, otherwise: str) -> None:
        """Wait for an event of the link, or its failure."""
        try:
            async with asyncio.timeout(self._deadline_s):
                await event.wait()
        except TimeoutError:
            reason, cause = self._link.obstacle or ("", None)
            raise CroupierUnavailable(f"{otherwise}: {reason}" if reason else otherwise) from cause
        if self._link.failure is not None:
            raise _copied(self._link.failure)


class StreamWith(CommandMethods):
    """A stream with options: what `Stream.options` gives."""

    def __init__(self, stream: Stream, key: str, deadline_s: float | None) -> None:
        self._stream = stream
        self._key = key
        self._deadline_s = deadline_s

    async def call(self, name: str, arguments: Mapping[str, Any] | None = None) -> Any:
        """As `Stream.call`."""
        return await self.run(operation_of(name), arguments or {})

    @property
    def answers(self) -> Answers:
        """As `Stream.answers`."""
        return Answers(self)

    async def run(self, operation: Operation[P, Reply], arguments: object, /) -> Reply:
        """As `Stream.run`."""
        return (await self.ask(operation, arguments)).reply

    async def ask(self, operation: Operation[P, Reply], arguments: object, /) -> Answer[Reply]:
        """As `Stream.ask`."""
        return await self._stream.ask(operation, arguments, key=self._key, deadline_s=self._deadline_s)


def _time_out(answer: "asyncio.Future[SocketReply]") -> None:
    if not answer.done():
        answer.set_exception(TimeoutError())


def _copied(error: ClientError) -> ClientError:
    """The same error for another caller: one object would gather the tracebacks of all."""
    return copy.copy(error)
