"""Switching a connection from HTTP to WebSocket."""

from collections.abc import Awaitable, Callable
from typing import Any, Final, cast

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from croupier_http.replies import Answer

SWITCHING: Final = 101

Conversation = Callable[[web.RequestHandler, bytes], Awaitable[None]]
"""Is given the connection, and what the client has sent right behind its handshake."""


class Upgrade(Answer, gc=True, kw_only=True):
    """The answer to a handshake. After it `conversation` has the connection, until it returns."""

    conversation: Conversation


class _Early:
    """Keeps what comes right behind the handshake, which aiohttp would take for the client's next request."""

    def __init__(self) -> None:
        self.data = b""

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self.data += data
        return False, b""

    def feed_eof(self) -> None:
        """Who has the connection hears of its end by itself."""


class Switched(web.StreamResponse):
    """The response of an upgrade: its head, and then the conversation. The connection ends with it.

    To be made before aiohttp finishes the request, since it then goes on with what has come by that time.
    """

    def __init__(self, upgrade: Upgrade, headers: str, connection: web.RequestHandler) -> None:
        # The base class' constructor makes the header dictionary that is not needed here.
        self._head = f"HTTP/1.1 101 Switching Protocols\r\n{upgrade.headers}{headers}\r\n".encode("ascii")
        self._conversation = upgrade.conversation
        self._connection = connection
        self._early = _Early()
        connection.set_parser(cast(Any, self._early))
        self._status = SWITCHING
        self._keep_alive = False

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter:
        return request.writer

    async def write_eof(self, data: bytes = b"") -> None:
        connection = self._connection
        if connection.transport is None or connection.transport.is_closing():
            raise ConnectionResetError("the client has gone")
        connection.keep_alive(False)  # or its idle time would end it
        connection.transport.write(self._head)
        await self._conversation(connection, self._early.data)
