"""Commands over HTTP without a task: begun as soon as their request is there whole, answered as soon as Redis has.

aiohttp starts a task for each request and wakes another one before and after it, which costs as much as the rest of a
pull. Whatever is unusual about a request is left to it, and to `App.handle`: there a request may be anything.
"""

import asyncio
from collections.abc import Callable
from time import perf_counter
from typing import cast

from aiohttp import hdrs
from aiohttp.http import HttpVersion11, RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader

from croupier.run import AnyRun
from croupier_http.app import App, request_id_of
from croupier_http.auth import Identity
from croupier_http.bodies import BODY_BYTES_MAX
from croupier_http.endpoints import CommandEndpoint, Headers
from croupier_http.logs import REQUEST_ID
from croupier_http.replies import JSON, Answer
from croupier_http.routes import Route

Send = Callable[[bytes, bool], None]
"""Is given a whole response, and whether the connection ends with it."""


def begin(app: App, message: RawRequestMessage, payload: StreamReader, send: Send) -> bool:
    """Begin the command that a request asks for; `send` gets the response, perhaps at once.

    False where this is none, or one with anything unusual about it; nothing was done then, and the body is not read.
    """
    route, headers = app.commands.get(message.path), message.headers
    if (
        route is None
        or message.method != "POST"
        or message.version != HttpVersion11
        or message.should_close
        or message.chunked
        or message.compression
        or message.upgrade
        or not payload.is_eof()
        or payload.exception() is not None
        or payload.total_bytes > BODY_BYTES_MAX
        or (payload is EMPTY_PAYLOAD and headers.get(hdrs.CONTENT_LENGTH, "0") != "0")
        or headers.get(hdrs.CONTENT_TYPE) != JSON
        or hdrs.EXPECT in headers
        or hdrs.CONTENT_ENCODING in headers
    ):
        return False
    endpoint = cast(CommandEndpoint, route.endpoint)
    try:
        identity = endpoint.caller(headers)
    except Exception:
        return False  # `handle` meets the same
    _Exchange(app, route, headers, send).begin(endpoint, identity, payload.read_nowait())
    return True


class _Exchange:
    """A request and its response."""

    __slots__ = (
        "_app",
        "_endpoint",
        "_headers",
        "_op_id",
        "_request_id",
        "_route",
        "_run",
        "_send",
        "_started_s",
    )

    _run: AnyRun

    def __init__(self, app: App, route: Route, headers: Headers, send: Send) -> None:
        self._started_s = perf_counter()
        self._app = app
        self._route = route
        self._headers = headers
        self._send = send
        self._op_id = app.new_id()
        self._request_id = request_id_of(headers, self._op_id)

    def begin(self, endpoint: CommandEndpoint, identity: Identity, body: bytes) -> None:
        self._endpoint = endpoint
        self._app.in_flight += 1
        try:
            self._run = run = endpoint.begin(identity, self._headers, body, self._op_id)
        except Exception as error:
            self._fail(error)
            return
        if run.answer is None:
            self._finish_later()
        else:
            run.answer.add_done_callback(self._answered)

    def _answered(self, _answer: object) -> None:
        """The script has answered: mostly that it has done it. What else there is to do takes a task."""
        try:
            answer = self._endpoint.outcome(self._run)
        except Exception as error:
            self._fail(error)
            return
        if answer is None:
            self._finish_later()
        else:
            self._end(answer)

    def _finish_later(self) -> None:
        # The future of its call to Redis keeps the task alive.
        asyncio.get_running_loop().create_task(self._finish())

    async def _finish(self) -> None:
        REQUEST_ID.set(self._request_id)
        try:
            answer = await self._endpoint.finish(self._run)
        except Exception as error:
            self._fail(error)
            return
        self._end(answer)

    def _fail(self, error: Exception) -> None:
        before = REQUEST_ID.set(self._request_id)
        answer = self._app.failed(error, self._route, self._request_id, self._op_id)
        REQUEST_ID.reset(before)
        self._end(answer)

    def _end(self, answer: Answer) -> None:
        app = self._app
        app.in_flight -= 1
        close = app.finisher.closing
        try:
            headers = app.answered(
                answer, self._route, self._headers, self._request_id, self._op_id, self._started_s
            )
        except Exception as error:
            answer, headers = app.refused(500, error)
            close = True
        if close:
            headers += "Connection: close\r\n"
        self._send(app.finisher.head(answer, headers) + answer.body, close)
