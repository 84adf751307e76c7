"""A pool of connections, with the part of asyncpg's interface that the engine uses."""

import asyncio
from collections.abc import Generator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

import asyncpg

from tests.simulation.postgres.record import Record

if TYPE_CHECKING:
    from tests.simulation.postgres.connection import ModelConnection
    from tests.simulation.postgres.server import ModelPostgres


class ModelPool:
    """Like `asyncpg.Pool`: at most so many connections, handed out again while they live."""

    def __init__(self, server: "ModelPostgres", max_size: int, connect_kwargs: Mapping[str, Any]) -> None:
        self._server = server
        self._connect_kwargs = connect_kwargs
        self._free = asyncio.Semaphore(max_size)
        self._idle: list[ModelConnection] = []
        self._given: list[ModelConnection] = []
        self._closed = False

    def __await__(self) -> Generator[Any, None, "ModelPool"]:
        return self.__aenter__().__await__()

    async def __aenter__(self) -> "ModelPool":
        return self

    async def __aexit__(self, *_failure: object) -> None:
        await self.close()

    def acquire(self, *, timeout: float | None = None) -> "_Acquired":
        return _Acquired(self, timeout)

    async def execute(self, query: str, *args: Any, timeout: float | None = None) -> str:
        async with self.acquire() as connection:
            return await connection.execute(query, *args, timeout=timeout)

    async def fetch(self, query: str, *args: Any, timeout: float | None = None) -> list[Record]:
        async with self.acquire() as connection:
            return await connection.fetch(query, *args, timeout=timeout)

    async def fetchrow(self, query: str, *args: Any, timeout: float | None = None) -> Record | None:
        async with self.acquire() as connection:
            return await connection.fetchrow(query, *args, timeout=timeout)

    async def fetchval(self, query: str, *args: Any, column: int = 0, timeout: float | None = None) -> Any:
        async with self.acquire() as connection:
            return await connection.fetchval(query, *args, column=column, timeout=timeout)

    async def release(self, connection: "ModelConnection", *, timeout: float | None = None) -> None:
        """Take a connection back; a transaction that it has left open is rolled back."""
        self._given.remove(connection)
        try:
            connection._pool_release_ctr += 1
            connection._top_xact = None
            if not connection.is_closed() and connection.is_in_transaction():
                await connection.execute("ROLLBACK;")
            if not connection.is_closed() and not self._closed:
                self._idle.append(connection)
        except BaseException:
            connection.terminate()
            raise
        finally:
            self._free.release()

    async def close(self) -> None:
        """Close the connections. None may be given out."""
        self._closed = True
        assert not self._given, "asyncpg would wait for these connections"
        for connection in self._idle:
            await connection.close()

    def terminate(self) -> None:
        """Drop all connections."""
        self._closed = True
        for connection in [*self._idle, *self._given]:
            connection.terminate()

    async def _take(self, timeout: float | None) -> "ModelConnection":
        if self._closed:
            raise asyncpg.InterfaceError("pool is closed")
        async with asyncio.timeout(timeout):
            await self._free.acquire()
            try:
                connection = await self._living()
            except BaseException:
                self._free.release()
                raise
        self._given.append(connection)
        return connection

    async def _living(self) -> "ModelConnection":
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
        return await self._server.connect(**self._connect_kwargs)


class _Acquired:
    """A connection of the pool, for an `async with` block or until it is released."""

    def __init__(self, pool: ModelPool, timeout: float | None) -> None:
        self._pool = pool
        self._timeout = timeout
        self._connection: ModelConnection | None = None

    def __await__(self) -> Generator[Any, None, "ModelConnection"]:
        return self._pool._take(self._timeout).__await__()

    async def __aenter__(self) -> "ModelConnection":
        self._connection = await self._pool._take(self._timeout)
        return self._connection

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        assert self._connection is not None
        await self._pool.release(self._connection)
