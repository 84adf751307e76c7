"""Noticing at once that the outbox has grown, so that whoever waits for Postgres waits for little else."""

import asyncio
from contextlib import suppress

from croupier.transport import Transport, TransportError
from croupier_sync.limits import GATHER_PAUSE_S, READ_PAUSE_MAX_S
from croupier_sync.pause import pause
from croupier_sync.position import Position


class Doorbell:
    """Waits for a stream to grow, by a blocking read on a connection of its own.

    It only says when to look; what is then read, and from where, is not decided here. Without a connection it is a
    pause.
    """

    def __init__(self, transport: Transport, stream: str) -> None:
        self._transport = transport.beside()
        self._stream = stream
        self._opening: asyncio.Task[None] | None = None

    async def wait(self, position: Position, stop: asyncio.Event, *, busy: bool) -> None:
        """Return when there may be something to read. `busy`: there was, a moment ago."""
        if busy:
            await pause(stop, GATHER_PAUSE_S)
            return
        if self._transport.connection_number == 0 and (self._opening is None or self._opening.done()):
            self._opening = asyncio.create_task(self._open())
        after = position.cursor.entry if position.cursor else "0-0"
        try:
            await self._transport.call(
                "XREAD", "COUNT", 1, "BLOCK", int(READ_PAUSE_MAX_S * 1000), "STREAMS", self._stream, after
            )
        except TransportError:
            await pause(stop, READ_PAUSE_MAX_S)

    async def _open(self) -> None:
        with suppress(TransportError):
            await self._transport.open()

    async def close(self) -> None:
        """Give the connection up."""
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.wait([self._opening])
        await self._transport.close()
