"""What stands between the client and its server in the tests: a wire that is cut, and servers that say wrong things."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_NEVER = 2**62


class Wire:
    """Forwards connections to a port of this machine, and cuts each after a number of bytes that it draws.

    Bytes of both directions count together, so a connection ends before, in or after a request or a reply.
    """

    def __init__(self, port: int, rng: random.Random) -> None:
        self._port = port
        self._rng = rng
        self._tasks: set[asyncio.Task[None]] = set()
        self.bytes_max = _NEVER
        self.cuts = 0
        self.connections = 0
        self.url = ""

    def accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._forward(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        left = [self._rng.randrange(self.bytes_max)]
        ends = [writer]
        try:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._port)
            ends.append(server_writer)
            both = [
                asyncio.ensure_future(self._copy(reader, server_writer, left)),
                asyncio.ensure_future(self._copy(server_reader, writer, left)),
            ]
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            for copying in both:
                copying.cancel()
            await asyncio.gather(*both, return_exceptions=True)
        except OSError:
            pass  # the server is away: the client sees its connection closed
        finally:
            for end in ends:
                end.transport.abort()

    async def _copy(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, left: list[int]
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                passed = data[: left[0]]
                left[0] -= len(passed)
                writer.write(passed)
                await writer.drain()
                if len(passed) < len(data):
                    self.cuts += 1
                    return

    async def stop(self) -> None:
        """End all connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def wire_to(port: int, seed: int) -> AsyncIterator[Wire]:
    """A wire that is whole until `bytes_max` is set."""
    wire = Wire(port, random.Random(seed))
    listener = await asyncio.start_server(wire.accepted, "127.0.0.1", 0)
    wire.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield wire
    finally:
        listener.close()
        await wire.stop()


@contextlib.asynccontextmanager
async def answering(handler: Handler) -> AsyncIterator[str]:
    """A server that answers whatever the test wants; its address."""

    async def handle(request: web.Request) -> web.StreamResponse:
        return await handler(request)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()
