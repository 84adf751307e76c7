"""The connection to aiohttp: its server, without its router and its middlewares.

The routes come from the declarations, so that a dictionary is all the routing there is to do, and errors have one form,
made in one place. `web.Application` costs 3 us of CPU more per request, and 5 us with one middleware.
"""

import asyncio
from typing import Any, Final

from aiohttp import http_parser, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import RawRequestMessage
from aiohttp.streams import StreamReader

from croupier_http.app import App
from croupier_http.bodies import BODY_BYTES_MAX
from croupier_http.checks import CannotServe

KEEPALIVE_TIMEOUT_S: Final = 30.0
"""How long a connection may be idle, or take to send the headers of a request."""

_LINGERING_TIME_S: Final = 2.0
"""How long the rest of a refused body is read and dropped, so that the client gets to see the reply."""


def require_c_parser() -> None:
    """Raise CannotServe where aiohttp was built without its parser in C, which alone is fast."""
    if http_parser.HttpRequestParser is http_parser.HttpRequestParserPy:
        raise CannotServe("aiohttp has no C parser here: install one of its binary wheels")


class Protocol(web.RequestHandler):
    """A connection. What aiohttp would answer by itself, mostly to what is not HTTP, has the form of all errors."""

    __slots__ = ("_app",)

    def __init__(self, app: App, manager: web.Server, **options: Any) -> None:
        super().__init__(manager, **options)
        self._app = app

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        return self._app.refuse_connection(request, status, exc)


class HttpServer(web.Server):
    """Makes a `Protocol` for each connection."""

    def __init__(self, app: App) -> None:
        super().__init__(app.handle, request_factory=self._request)
        self._app = app
        self._event_loop = asyncio.get_running_loop()

    def __call__(self) -> web.RequestHandler:
        return Protocol(
            self._app,
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
