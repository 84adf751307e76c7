"""The connection to aiohttp: its server, without its router and its middlewares.

The routes come from the declarations, so that a dictionary is all the routing there is to do, and errors have one form,
made in one place. `web.Application` costs 3 us of CPU more per request, and 5 us with one middleware.
"""

import asyncio
import socket
from typing import Any, Final, cast

from aiohttp import http_exceptions, http_parser, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import RawRequestMessage
from aiohttp.streams import StreamReader

from croupier_http.app import App
from croupier_http.bodies import BODY_BYTES_MAX
from croupier_http.checks import CannotServe
from croupier_http.crowd import OneTooMany
from croupier_http.direct import begin

KEEPALIVE_TIMEOUT_S: Final = 30.0
"""How long a connection may be idle, or take to send the headers of a request."""

_LINGERING_TIME_S: Final = 2.0
"""How long the rest of a refused body is read and dropped, so that the client gets to see the reply."""

HEAD_BYTES_MAX: Final = 64 * 1024
"""How much of a request line and its headers may have come while their end has not. It is looked at from one read to
the next, so that a head of three times this may pass; the parser bounds each line (8 KiB) and their number (128) only.
"""

UNREAD_TIMEOUT_S: Final = 30.0
"""How long a client may leave unread what it was sent before the system ends the connection. Without it one that never
reads keeps its connection for ever: its replies wait for room, and a connection that is closed waits for them."""

_TCP_USER_TIMEOUT: Final = getattr(socket, "TCP_USER_TIMEOUT", None)
"""Linux has it. Elsewhere the client's end of the connection is what ends it."""


def require_c_parser() -> None:
    """Raise CannotServe where aiohttp was built without its parser in C, which alone is fast."""
    if http_parser.HttpRequestParser is http_parser.HttpRequestParserPy:
        raise CannotServe("aiohttp has no C parser here: install one of its binary wheels")


class Protocol(web.RequestHandler):
    """A connection. What aiohttp would answer by itself, mostly to what is not HTTP, has the form of all errors.

    Commands are answered directly. All else is left to aiohttp's task, which sleeps until `_waiter` has a result.
    `answer_timeout_s` is the longest that a command may take.
    """

    __slots__ = ("_answer_timeout_s", "_app", "_directly", "_ended", "_head_bytes", "_head_number")

    def __init__(self, app: App, answer_timeout_s: float, manager: web.Server, **options: Any) -> None:
        super().__init__(manager, **options)
        self._app = app
        self._answer_timeout_s = answer_timeout_s
        self._directly = False
        self._ended: asyncio.Future[None] | None = None
        self._head_number = -1
        self._head_bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if _TCP_USER_TIMEOUT is not None and (connection := transport.get_extra_info("socket")) is not None:
            connection.setsockopt(socket.IPPROTO_TCP, _TCP_USER_TIMEOUT, round(UNREAD_TIMEOUT_S * 1000))

    def data_received(self, data: bytes) -> None:
        if len(data) > HEAD_BYTES_MAX:  # many requests, or a large body, or a head that never ends
            for place in range(0, len(data), HEAD_BYTES_MAX):
                self.data_received(data[place : place + HEAD_BYTES_MAX])
            return
        waiter = self._waiter
        if waiter is None or waiter.done():  # the task is at work
            super().data_received(data)
            return
        self._waiter = None  # so that it sleeps on
        super().data_received(data)
        self._waiter = waiter
        if self._messages:
            self._go_on()
        else:
            self._wait_for_head(len(data))

    def _wait_for_head(self, size: int) -> None:
        """So much more of a head has come, and not its end. Refuse it where that is too much."""
        if self._head_number != self._request_count:
            self._head_number, self._head_bytes = self._request_count, 0
        self._head_bytes += size
        if self._head_bytes > HEAD_BYTES_MAX and not self._directly:
            answer, headers = self._app.refused(400, http_exceptions.BadHttpMessage("the head is too long"))
            headers += "Connection: close\r\n"
            self._send(self._app.finisher.head(answer, headers) + answer.body, close=True)

    def _go_on(self) -> None:
        """Answer in its turn what has been received, as far as that is possible directly."""
        messages, waiter = self._messages, self._waiter
        while messages and not self._directly and waiter is not None and not waiter.done():
            message, payload = messages.popleft()
            self._directly = True
            if (
                isinstance(message, RawRequestMessage)
                and not self._paused
                and not self._buffer_paused  # only the task reads on once there is room for further requests
                and begin(self._app, message, payload, self._send)
            ):
                assert self._parser is not None
                self._parser.message_consumed()
                if self._directly:
                    self._idle_until(self._answer_timeout_s)
            else:
                self._directly = False
                messages.appendleft((message, payload))
                waiter.set_result(None)

    def _send(self, response: bytes, close: bool) -> None:
        """The end of what was begun directly."""
        self._directly = False
        if self.transport is not None:
            self.transport.write(response)
            if close:
                self.force_close()
        self._idle_until(KEEPALIVE_TIMEOUT_S)
        if self._ended is not None:
            self._ended.set_result(None)
        elif self._messages:
            self._loop.call_soon(self._go_on)

    def _idle_until(self, seconds: float) -> None:
        """To aiohttp the connection is idle all the time: have it wait so long from now."""
        self._next_keepalive_close_time = self._loop.time() + seconds

    async def shutdown(self, timeout: float | None = 15.0) -> None:  # noqa: ASYNC109 - aiohttp's own signature
        """End the connection, after what is being answered; `timeout` is how long that may take, in seconds."""
        if self._directly:
            self._ended = self._loop.create_future()
            await asyncio.wait((self._ended,), timeout=timeout)
        await super().shutdown(timeout)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        return self._app.refuse_connection(request, status, exc)


class HttpServer(web.Server):
    """Makes a `Protocol` for each connection. `answer_timeout_s` is the longest that a command may take.

    Beyond `connections_max`, WebSockets among them, connections are told so and closed.
    """

    def __init__(self, app: App, answer_timeout_s: float, connections_max: int) -> None:
        super().__init__(app.handle, request_factory=self._request)
        self._app = app
        self._answer_timeout_s = answer_timeout_s
        self._connections_max = connections_max
        self._event_loop = asyncio.get_running_loop()

    def __call__(self) -> web.RequestHandler:
        if len(self._connections) >= self._connections_max:
            return cast(web.RequestHandler, OneTooMany(self._app))
        return Protocol(
            self._app,
            self._answer_timeout_s,
            self,
            loop=self._event_loop,
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=KEEPALIVE_TIMEOUT_S,
            lingering_time=_LINGERING_TIME_S,
            read_bufsize=BODY_BYTES_MAX,
        )

    def _request(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: web.RequestHandler,
        writer: AbstractStreamWriter,
        task: "asyncio.Task[None]",
    ) -> web.BaseRequest:
        return web.BaseRequest(
            message, payload, protocol, writer, task, self._event_loop, client_max_size=BODY_BYTES_MAX
        )
