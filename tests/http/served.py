"""A whole server as its users start it: a supervisor process with its workers."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator
from typing import Any

import aiohttp

from croupier.settings import Settings
from tests.http.support import DEADLINE_S, Client, until


class Server:
    """A running server: its process, and what it has logged so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[str] = []
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            self.lines.append(line.decode().rstrip())

    def events(self, name: str) -> list[dict[str, Any]]:
        """The logged events of that name."""
        found = [json.loads(line) for line in self.lines if line.startswith("{")]
        return [event for event in found if event["event"] == name]

    async def event(self, name: str) -> dict[str, Any]:
        """Wait for an event to be logged."""

        async def logged() -> bool:
            return bool(self.events(name))

        await until(logged, f"the event {name!r} in {self.lines}")
        return self.events(name)[0]

    async def ended(self) -> int:
        """Wait for the end of the process, and for the rest of its log; the exit code."""
        async with asyncio.timeout(DEADLINE_S):
            code = await self.process.wait()
            await self._reading
        return code


@contextlib.asynccontextmanager
async def starting(settings: Settings, **environment: str) -> AsyncIterator[Server]:
    """A server that was started and may be ending by itself; further variables are added to its environment.

    When the block is left it is asked to stop, if it has not ended, and its end is awaited.
    """
    variables = {
        "REDIS_URL": settings.redis_url,
        "DATABASE_URL": settings.database_url,
        "JWT_SECRET_KEY": settings.jwt_secret_key,
        "CROUPIER_MASTER_KEYS": settings.master_keys,
        "CROUPIER_HTTP_PORT": str(settings.http_port),
        "CROUPIER_WORKERS": str(settings.workers),
        "CROUPIER_LOG_LEVEL": settings.log_level,
        "CROUPIER_CORS_ORIGINS": settings.cors_origins,
        "CROUPIER_TRUSTED_PROXIES": settings.trusted_proxies,
        "CROUPIER_ECONOMY": settings.economy,
    }
    server = Server(
        await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "croupier_cli.main", "serve"),
            env=os.environ | variables | environment,
            stderr=asyncio.subprocess.PIPE,
        )
    )
    try:
        yield server
    finally:
        if server.process.returncode is None:
            server.process.terminate()
        await server.ended()


@contextlib.asynccontextmanager
async def serving(settings: Settings, **environment: str) -> AsyncIterator[tuple[Server, Client]]:
    """A server that listens."""
    async with starting(settings, **environment) as server:
        url = (await server.event("listening"))["url"]
        # Each request on a connection of its own, so that all workers get some.
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session:
            yield server, Client(url, session)
