"""Switching a connection from HTTP to WebSocket."""

from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from croupier_http.replies import Answer

SWITCHING: Final = 101

Conversation = Callable[[web.RequestHandler], Awaitable[None]]


class Upgrade(Answer, gc=True, kw_only=True):
    """The answer to a handshake. After it `conversation` has the connection, until it returns."""

    conversation: Conversation


class Switched(web.StreamResponse):
    """The response of an upgrade: its head, and then the conversation. The connection ends with it."""

    def __init__(self, upgrade: Upgrade, headers: str) -> None:
        # The base class' constructor makes the header dictionary that is not needed here.
        self._head = f"HTTP/1.1 101 Switching Protocols\r\n{upgrade.headers}{headers}\r\n".encode("ascii")
        self._conversation = upgrade.conversation
        self._status = SWITCHING
        self._keep_alive = False

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter:
        self._connection: web.RequestHandler = request.protocol
        return request.writer

    async def write_eof(self, data: bytes = b"") -> None:
        connection = self._connection
        if connection.transport is None or connection.transport.is_closing():
            raise ConnectionResetError("the client has gone")
        connection.keep_alive(False)  # or its idle time would end it
        connection.transport.write(self._head)
        await self._conversation(connection)
