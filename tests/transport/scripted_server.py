"""A server that answers as a test tells it to, for replies that one Valkey cannot be made to give."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Self, TypeAlias

import hiredis

Answer: TypeAlias = Callable[[list[bytes]], bytes]

_INFO = b"run_id:%040d\r\nmaster_replid:%040d\r\nrole:master\r\nredis_version:7.0.15\r\n" % (1, 2)
_HANDSHAKE = {b"CLIENT": b"+OK\r\n", b"INFO": b"$%d\r\n%s\r\n" % (len(_INFO), _INFO)}


class ScriptedServer:
    """Answers the handshake by itself and every other command with `answer(command)`, as raw bytes.

    Use as an async context manager. `commands` holds what was asked besides the handshake.
    """

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._listener: asyncio.Server | None = None
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.commands: list[list[bytes]] = []
        self.url = ""

    async def __aenter__(self) -> Self:
        self._listener = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self.url = f"redis://127.0.0.1:{self._listener.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._listener is not None
        self._listener.close()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.gather(*self._tasks)
        await self._listener.wait_closed()

    def write(self, data: bytes) -> None:
        """Send bytes on the newest connection."""
        self._writers[-1].write(data)

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        parser = hiredis.Reader(notEnoughData=None)
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                parser.feed(data)
                for command in iter(parser.gets, None):
                    if command[0] not in _HANDSHAKE:
                        self.commands.append(command)
                    writer.write(_HANDSHAKE.get(command[0]) or self._answer(command))
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
