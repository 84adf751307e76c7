"""A connection: the client's side, with the part of asyncpg's interface that Croupier uses.

A request travels in a task of its own, in the context of the server: there, where it runs, and back with the answer.
So what a client sent takes effect although the client is stopped or has ended meanwhile, and a client may lose the
answer of what took effect.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import asyncpg
from asyncpg.transaction import Transaction

from tests.simulation.postgres.record import Record
from tests.simulation.postgres.refusals import connection_lost
from tests.simulation.postgres.schema import TABLES, Row
from tests.simulation.postgres.session import Request, Session, SessionEnded, View

if TYPE_CHECKING:
    from tests.simulation.postgres.server import ModelPostgres


class ModelConnection:
    """Like `asyncpg.Connection`. `number`, counted from 1, and `owner`, as `server.whose` had it, tell them apart."""

    def __init__(
        self, server: "ModelPostgres", number: int, owner: object, command_timeout: float | None
    ) -> None:
        self.number = number
        self.owner = owner
        self.session: Session | None = None
        self._server = server
        self._command_timeout = command_timeout
        self._closed = False
        self._travelling: asyncio.Task[None] | None = None
        self._answer: asyncio.Future[list[Row]] | None = None
        self._savepoints = 0
        # What asyncpg's own Transaction looks at.
        self._top_xact: Transaction | None = None
        self._pool_release_ctr = 0
        self._protocol = self

    # asyncpg's interface.

    async def execute(self, query: str, *args: Any, timeout: float | None = None) -> str:
        await self._ask(self._request(query, args), timeout)
        return ""

    async def fetch(self, query: str, *args: Any, timeout: float | None = None) -> list[Record]:
        return [Record(row) for row in await self._ask(self._request(query, args), timeout)]

    async def fetchrow(self, query: str, *args: Any, timeout: float | None = None) -> Record | None:
        rows = await self._ask(self._request(query, args), timeout)
        return Record(rows[0]) if rows else None

    async def fetchval(self, query: str, *args: Any, column: int = 0, timeout: float | None = None) -> Any:
        row = await self.fetchrow(query, *args, timeout=timeout)
        return None if row is None else row[column]

    async def copy_records_to_table(
        self,
        table_name: str,
        *,
        records: Iterable[Sequence[Any]],
        columns: Sequence[str],
        timeout: float | None = None,
    ) -> str:
        rows = [dict(zip(columns, record, strict=True)) for record in records]
        await self._ask(Request(f"copy {table_name}", partial(_copy, table_name, rows)), timeout)
        return f"COPY {len(rows)}"

    def transaction(
        self, *, isolation: str | None = None, readonly: bool = False, deferrable: bool = False
    ) -> Transaction:
        self._require_open()
        return Transaction(self, isolation, readonly, deferrable)

    def cursor(
        self, query: str, *args: Any, prefetch: int | None = None, timeout: float | None = None
    ) -> "Cursor":
        self._require_open()
        return Cursor(self, self._request(query, args), timeout)

    def is_in_transaction(self) -> bool:
        return self.session is not None and self.session.transaction is not None

    def is_closed(self) -> bool:
        return self._closed

    def get_server_pid(self) -> int:
        assert self.session is not None
        return self.session.pid

    async def close(self, *, timeout: float | None = None) -> None:
        """Say goodbye to the server; raises TimeoutError where it does not hear that in time."""
        if not self._closed:
            await self._ask(Request("close", control=Session.end), timeout)
            self._closed = True

    def terminate(self) -> None:
        """Drop the connection. What was sent before still runs; then the server ends the session."""
        self.kill()

    # What asyncpg's Transaction asks of a connection.

    def _get_unique_id(self, prefix: str) -> str:
        self._savepoints += 1
        return f"{prefix}_{self._savepoints}"

    # Faults.

    def kill(self) -> None:
        """The client is gone, or drops the connection. What it sent still runs; then the server ends the session."""
        self.lose(connection_lost())
        if self._travelling is None or self._travelling.done():
            self._end_session()
        else:
            self._travelling.add_done_callback(self._end_session, context=self._server.context)

    def vanish(self) -> None:
        """The client's machine is gone, and nobody tells the server: its session stays, with all its locks."""
        self._closed = True

    def cut(self) -> None:
        """The network drops the connection, and tells both sides: what has not reached the server is lost."""
        self._end_session()
        self.lose(connection_lost())

    def lose(self, error: Exception) -> None:
        """Only the client finds its connection gone: what it waits for raises the error, later calls InterfaceError."""
        self._closed = True
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
            self._answer.exception()  # nobody may be left to look at it

    def _end_session(self, _travelled: object = None) -> None:
        if self.session is not None:
            self.session.end()

    # Requests.

    def _request(self, query: str, args: Sequence[Any]) -> Request:
        if (control := _control(query)) is not None:
            return control
        return self._server.statement(query, args)

    async def _ask(self, request: Request, timeout: float | None) -> list[Row]:
        """Send a request and wait for its answer."""
        self._require_open()
        if self._answer is not None:
            raise asyncpg.InterfaceError("cannot perform operation: another operation is in progress")
        if self._travelling is not None and not self._travelling.done():
            await asyncio.wait({self._travelling})  # one that was given up, and whose end asyncpg waits for
            self._require_open()
        self._answer = asyncio.get_running_loop().create_future()
        self._travelling = asyncio.get_running_loop().create_task(
            self._travel(request, self._answer), context=self._server.context
        )
        try:
            async with asyncio.timeout(timeout if timeout is not None else self._command_timeout):
                return await self._answer
        except (TimeoutError, asyncio.CancelledError):
            if not self._closed and self._server.cancel_arrives(self, request.name):
                self._travelling.cancel()
            raise
        finally:
            self._answer = None

    async def _travel(self, request: Request, answer: "asyncio.Future[list[Row]]") -> None:
        try:
            await self._go_there(request)
            assert self.session is not None
            rows = await self.session.run(request)
            await self._server.pass_hook("after", self, request.name)
        except SessionEnded:
            # Who waits was told when the session ended, but not one whose request was given up before.
            if not answer.done():
                answer.set_exception(connection_lost())
        except asyncio.CancelledError:
            answer.cancel()
        except Exception as error:
            if isinstance(error, AssertionError):
                self._server.not_modelled.append(str(error))
            if not answer.done():
                answer.set_exception(error)
        else:
            if not answer.done():
                answer.set_result(rows)

    async def _go_there(self, request: Request) -> None:
        """What is stopped on its way, or refused there, fails the transaction; a COMMIT ends it all the same."""
        try:
            await self._server.pass_hook("before", self, request.name)
        except BaseException:
            if self.session is not None and request.name == "commit":
                self.session.roll_back()
            elif self.session is not None and self.session.transaction is not None:
                self.session.transaction.failed = True
            raise

    def _require_open(self) -> None:
        if self._closed:
            raise asyncpg.InterfaceError("connection is closed")


class Cursor:
    """A cursor, which sees what its statement saw: `await` it and fetch, or iterate over it."""

    def __init__(self, connection: ModelConnection, request: Request, timeout: float | None) -> None:
        self._connection = connection
        self._request = request
        self._timeout = timeout
        self._rows: list[Row] = []

    def __await__(self) -> Generator[Any, None, "Cursor"]:
        return self._open().__await__()

    async def __aiter__(self) -> AsyncIterator[Record]:
        await self._open()
        while rows := await self.fetch(50):
            for row in rows:
                yield row

    async def fetch(self, count: int, *, timeout: float | None = None) -> list[Record]:
        rows = await self._connection._ask(Request(f"fetch {self._request.name}", self._take(count)), timeout)
        return [Record(row) for row in rows]

    async def _open(self) -> "Cursor":
        if not self._connection.is_in_transaction():
            raise asyncpg.NoActiveSQLTransactionError("cursor cannot be created outside of a transaction")
        self._rows = await self._connection._ask(self._request, self._timeout)
        return self

    def _take(self, count: int) -> Callable[[View], list[Row]]:
        def take(_view: View) -> list[Row]:
            taken, self._rows = self._rows[:count], self._rows[count:]
            return taken

        return take


def _copy(table: str, rows: Sequence[Row], view: View) -> list[Row]:
    assert table in TABLES, f"a COPY into {table} is not modelled"
    for row in rows:
        view.rows.insert(table, row)
    return []


def _control(query: str) -> Request | None:
    """The statements of asyncpg's Transaction."""
    words = query.rstrip(";").split()
    match words:
        case ["BEGIN", *isolation] if isolation in ([], ["ISOLATION", "LEVEL", "READ", "COMMITTED"]):
            return Request("begin", control=Session.begin)
        case ["COMMIT"]:
            return Request("commit", control=Session.commit)
        case ["ROLLBACK"]:
            return Request("rollback", control=Session.roll_back)
        case ["SAVEPOINT", name]:
            return Request("savepoint", control=lambda session: session.save(name))
        case ["RELEASE", "SAVEPOINT", name]:
            return Request("release", control=lambda session: session.release(name))
        case ["ROLLBACK", "TO", name]:
            return Request("rollback to", control=lambda session: session.back_to(name))
    return None
