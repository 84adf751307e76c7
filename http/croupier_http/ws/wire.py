"""The connection after its handshake: bytes from the event loop's transport, without aiohttp in between."""

import asyncio
from typing import Final, Protocol

from aiohttp import web

from croupier_http.ws.frames import Frames, Receiver

UNSENT_BYTES_MAX: Final = 64 * 1024
"""Beyond so much that the client does not read, `Wire.writing_paused` is true."""


class Reader(Receiver, Protocol):
    """What reads a connection: its frames, and whether the client reads."""

    def drained(self) -> None:
        """The client reads again what it is sent."""

    def lost(self) -> None:
        """The connection is gone."""


class Wire(asyncio.Protocol):
    """Takes a connection over from aiohttp's `handler`, which hears of its end and of nothing else.

    aiohttp's own way of reading puts messages in a queue, from which a task takes them: 2 us and one turn of the event
    loop per frame; and when its server stops, it reads no more, so that no client's close frame would be seen.
    """

    __slots__ = ("_handler", "_reader", "data_received", "transport", "writing_paused")

    def __init__(self, handler: web.RequestHandler, reader: Reader) -> None:
        assert handler.transport is not None
        self.transport = handler.transport
        self.writing_paused = False
        self._handler = handler
        self._reader = reader
        self.data_received = Frames(reader).feed  # type: ignore[method-assign]

    def begin(self, early: bytes) -> None:
        """From now on all that the client sends is frames, and so is what has come already."""
        self.transport.set_protocol(self)
        self.transport.set_write_buffer_limits(high=UNSENT_BYTES_MAX)
        if early:
            self.data_received(early)

    def pause_writing(self) -> None:
        self.writing_paused = True

    def resume_writing(self) -> None:
        self.writing_paused = False
        self._reader.drained()

    def connection_lost(self, exc: Exception | None) -> None:
        self._reader.lost()
        self._handler.connection_lost(exc)
