"""The wire between browser and server, which tests can cut."""

import asyncio
from contextlib import suppress

_HANDSHAKE = b"HTTP/1.1 101 "


class Wire:
    """Forwards TCP connections to a port of this machine. The page is opened at `url`."""

    def __init__(self, port: int) -> None:
        self._server_port = port
        self._listener: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self.swallows_replies = False
        """Whether what the server says is lost on the way, while requests arrive."""
        self.swallows_pushes = False
        """Whether a WebSocket that is opened now stays silent after its handshake, whatever the server says."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def mend(self) -> None:
        """Forward from now on, on the same port as before."""
        self.swallows_replies = self.swallows_pushes = False
        self._listener = await asyncio.start_server(self._accepted, "127.0.0.1", self.port)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Close every connection and take no other."""
        assert self._listener is not None
        self._listener.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._forward(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._server_port)
        try:
            await asyncio.gather(
                self._copy(reader, server_writer), self._copy(server_reader, writer, back=True)
            )
        finally:
            for each in (writer, server_writer):
                each.transport.abort()

    async def _copy(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, back: bool = False
    ) -> None:
        silent = False
        with suppress(ConnectionError):
            while data := await reader.read(65_536):
                if silent or (back and self.swallows_replies):
                    continue
                if back and self.swallows_pushes and data.startswith(_HANDSHAKE):
                    silent = True
                    data = data[: data.index(b"\r\n\r\n") + 4]
                writer.write(data)
                await writer.drain()
        writer.transport.abort()
