"""Reading frames: aiohttp's reader, which is in C, handing each message over as soon as it is complete.

aiohttp itself puts messages in a queue, from which a task takes them: 2 us and one turn of the event loop per frame.
"""

import asyncio
from typing import Any, Final, Protocol, cast

from aiohttp import web
from aiohttp._websocket.reader import WebSocketDataQueue, WebSocketReader
from aiohttp.http_websocket import WebSocketError, WSMsgType

from croupier_http.ws.masking import Heads

FRAME_BYTES_MAX: Final = 16 * 1024
"""Size of a message, in however many fragments."""

_PROTOCOL_ERROR: Final = 1002
_NO_LIMIT: Final = 2**30  # of aiohttp's queue, which stays empty


class Receiver(Protocol):
    """What hears of frames."""

    def received(self, payload: bytes, *, is_text: bool) -> None:
        """A message with data."""

    def pinged_by_client(self, payload: bytes) -> None:
        """A ping, which wants this payload back."""

    def ponged(self) -> None:
        """A pong."""

    def close_received(self, code: int) -> None:
        """The client closes, or answers our close frame. `code` 0: none was given."""

    def broke_protocol(self, code: int) -> None:
        """What came is not WebSocket, or a message that is too big; `code` is the close code that says so."""

    def lost(self) -> None:
        """The connection is gone."""


class _Messages(WebSocketDataQueue):
    """Where aiohttp's reader puts messages."""

    def __init__(self, protocol: web.RequestHandler, receiver: Receiver) -> None:
        super().__init__(protocol, _NO_LIMIT, loop=asyncio.get_running_loop())
        self._receiver = receiver

    def feed_data(self, data: Any, size: int) -> None:
        kind = data[0]
        if kind is WSMsgType.BINARY or kind is WSMsgType.TEXT:
            self._receiver.received(data[1], is_text=kind is WSMsgType.TEXT)
        elif kind is WSMsgType.PING:
            self._receiver.pinged_by_client(data[1])
        elif kind is WSMsgType.PONG:
            self._receiver.ponged()
        elif kind is WSMsgType.CLOSE:
            self._receiver.close_received(data[1])

    def set_exception(self, exc: BaseException, exc_cause: BaseException | None = None) -> None:
        self._receiver.broke_protocol(exc.code if isinstance(exc, WebSocketError) else _PROTOCOL_ERROR)

    def feed_eof(self) -> None:
        self._receiver.lost()


class _MaskedOnly:
    """aiohttp's reader, for frames that are masked."""

    def __init__(self, reader: WebSocketReader, receiver: Receiver) -> None:
        self._read = reader.feed_data
        self._are_masked = Heads().are_masked
        self._receiver = receiver
        self.feed_eof = reader.feed_eof

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Hand on what came. The first of the answer: whether to read no more."""
        if self._are_masked(data):
            return self._read(data)
        self._receiver.broke_protocol(_PROTOCOL_ERROR)
        return True, b""


def begin_reading(protocol: web.RequestHandler, receiver: Receiver) -> None:
    """From now on all that the client sends is frames. What has come already is handed over at once."""
    reader = WebSocketReader(
        _Messages(protocol, receiver), FRAME_BYTES_MAX + 1, compress=False, decode_text=False
    )
    protocol.set_parser(cast(WebSocketReader, _MaskedOnly(reader, receiver)))
