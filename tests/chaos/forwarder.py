"""A TCP address that stays the same while the server behind it is another one, slow, or out of reach."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

_CHUNK_BYTES: Final = 65_536
_HOST: Final = "127.0.0.1"


class _Link:
    """A client's connection, and the server's that belongs to it."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self._ends = client, server

    def abort(self) -> None:
        """End both at once; what is on its way is lost."""
        for end in self._ends:
            end.transport.abort()


class Forwarder:
    """Listens on a loopback port and forwards to a Unix socket, in a thread of its own. Close it in the end."""

    def __init__(self) -> None:
        self.port = 0
        self._target: Path | None = None
        self._delay_s = 0.0
        self._links: set[_Link] = set()
        self._loop = asyncio.new_event_loop()
        self._replies_pass = asyncio.Event()
        self._replies_pass.set()
        listening = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(listening,))
        self._thread.start()
        listening.wait()

    # What tests do, from their own thread.

    def forward_to(self, target: Path) -> None:
        """New connections lead there from now on; those that there are stay as they are."""
        self._in_loop(lambda: setattr(self, "_target", target))

    def cut(self) -> None:
        """End all connections at once."""
        self._in_loop(self._cut)

    @contextmanager
    def slow(self, delay_s: float) -> Iterator[None]:
        """Whatever goes either way is held up for so long, chunk by chunk, while the block runs."""
        self._in_loop(lambda: setattr(self, "_delay_s", delay_s))
        try:
            yield
        finally:
            self._in_loop(lambda: setattr(self, "_delay_s", 0.0))

    @contextmanager
    def replies_lost(self) -> Iterator[None]:
        """Requests pass and are carried out while the block runs, and no reply comes; then all connections end."""
        self._in_loop(self._replies_pass.clear)
        try:
            yield
        finally:
            self._in_loop(self._cut)
            self._in_loop(self._replies_pass.set)

    def close(self) -> None:
        """Stop listening and end all connections."""
        self._in_loop(self._loop.stop)
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _in_loop(self, act: Callable[[], object]) -> None:
        done = threading.Event()

        def run() -> None:
            act()
            done.set()

        self._loop.call_soon_threadsafe(run)
        done.wait()

    # What happens in the forwarder's thread.

    def _run(self, listening: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, _HOST, 0))
        self.port = server.sockets[0].getsockname()[1]
        listening.set()
        self._loop.run_forever()
        server.close()
        self._cut()
        self._replies_pass.set()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.close()

    def _cut(self) -> None:
        for link in self._links:
            link.abort()

    async def _serve(self, client_reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        try:
            server_reader, server = await asyncio.open_unix_connection(str(self._target))
        except OSError:
            client.transport.abort()  # the server is away
            return
        link = _Link(client, server)
        self._links.add(link)
        try:
            async with asyncio.TaskGroup() as pumps:  # where the one fails, both end
                pumps.create_task(self._pump(client_reader, server, replies=False))
                pumps.create_task(self._pump(server_reader, client, replies=True))
        except* OSError:
            pass
        finally:
            self._links.discard(link)
            link.abort()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, replies: bool
    ) -> None:
        """Forward one direction until it ends, then tell the other side so."""
        while data := await reader.read(_CHUNK_BYTES):
            if self._delay_s:
                await asyncio.sleep(self._delay_s)
            if replies:
                await self._replies_pass.wait()
            writer.write(data)
            await writer.drain()
        if not writer.is_closing():
            writer.write_eof()
