"""The model of a Postgres server: what the engine and the sync daemon ask of one, in the process and loop of a test.

Statements are known by their text, imported from the code that runs them; an unknown one is an AssertionError. Time is
that of the running loop. Faults come through two hooks around everything that a client sends.
"""

import asyncio
import contextvars
import datetime
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Literal, TypeAlias

from croupier.partition import PARTITIONS
from tests.simulation.postgres.connection import ModelConnection
from tests.simulation.postgres.pool import ModelPool
from tests.simulation.postgres.refusals import connection_lost
from tests.simulation.postgres.schema import Row
from tests.simulation.postgres.session import Request, Session
from tests.simulation.postgres.statements import STATEMENTS
from tests.simulation.postgres.storage import Storage, Transaction

Hook: TypeAlias = Callable[[ModelConnection, str], Awaitable[None]]
"""Is told the connection and a short name of what is sent: `connect`, `close`, `begin`, `commit`, `rollback`,
`savepoint`, `release`, `rollback to`, `copy TABLE`, `fetch STATEMENT`, or the name of a function in `statements`."""

UNIX_S_AT_ZERO: Final = 1_800_000_000.0


class ModelPostgres:
    """A Postgres with the tables of all migrations and an installation.

    `before_statement` runs before a request has reached the server, `after_statement` when it took effect and its
    answer is on the way. Both may wait, raise (the client gets that; in a transaction the statement has failed if it
    was before), and call the faults: `crash` here, `kill` and `vanish` of the connection.

    `cancel_arrives` decides whether a client that gives a request up, because of a timeout or because it is cancelled,
    can still stop it, as asyncpg tries to; by default it can. `whose` is called where a client connects, and gives the
    connection's `owner`. `not_modelled` is what this model could not do, for tests whose product swallows errors.
    `unix_s_at_zero` is the time at the loop's time 0.

    The server and the hooks run in the context in which the server was made, but for the hooks around `connect`.
    """

    def __init__(self, installation: str = "simulated", unix_s_at_zero: float = UNIX_S_AT_ZERO) -> None:
        self.before_statement: Hook | None = None
        self.after_statement: Hook | None = None
        self.cancel_arrives: Callable[[ModelConnection, str], bool] = lambda _connection, _name: True
        self.whose: Callable[[], object] = lambda: None
        self.context = contextvars.copy_context()
        self.settings = {"fsync": "on", "synchronous_commit": "on"}
        self.connections: list[ModelConnection] = []
        self.not_modelled: list[str] = []
        self.is_up = True
        self._unix_s_at_zero = unix_s_at_zero
        self._storage = Storage()
        self._connected = 0
        self._install(installation)

    # asyncpg's functions of the same names.

    async def connect(
        self,
        *_args: Any,
        timeout: float | None = 60.0,
        command_timeout: float | None = None,
        **_kwargs: Any,
    ) -> ModelConnection:
        """A new connection. Raises ConnectionRefusedError while the server is down, and TimeoutError."""
        self._connected += 1
        connection = ModelConnection(self, self._connected, self.whose(), command_timeout)
        async with asyncio.timeout(timeout):
            await self.pass_hook("before", connection, "connect")
            if not self.is_up:
                raise ConnectionRefusedError("the model Postgres is down")
            connection.session = Session(self, self._storage, pid=connection.number)
            self.connections.append(connection)
            try:
                await self.pass_hook("after", connection, "connect")
            except BaseException:
                connection.kill()
                raise
        if connection.is_closed():
            raise connection_lost()
        return connection

    def create_pool(self, *_args: Any, min_size: int = 10, max_size: int = 10, **kwargs: Any) -> ModelPool:
        """A pool. Connections are made when they are needed; `min_size` is only accepted."""
        return ModelPool(self, max_size, kwargs)

    # Faults.

    def crash(self) -> None:
        """The server dies and stays down: open transactions are rolled back, connections are gone."""
        self.is_up = False
        for connection in self._alive():
            connection.cut()

    def restart(self) -> None:
        """Come up again with what was committed. One that is up crashes before."""
        self.crash()
        self.is_up = True

    def connections_of(self, owner: object) -> list[ModelConnection]:
        """Those of one owner whose sessions have not ended: to be cut, or killed with it."""
        return [each for each in self._alive() if each.owner is owner]

    def terminate(self, session: Session) -> None:
        """`pg_terminate_backend`: end one session; its client learns of it if it is there."""
        for connection in self._alive():
            if connection.session is session:
                session.end()
                connection.lose(connection_lost("terminating connection due to administrator command"))

    # For whoever looks at it.

    def rows(self, table: str) -> list[Row]:
        """The committed rows of a table, in the order of their keys."""
        found = self._storage.rows[table]
        return [dict(found[key]) for key in sorted(found)]

    def edit(self) -> Transaction:
        """A transaction for a test's own changes, to be committed at once."""
        return Transaction(self._storage, self.now())

    def now(self) -> datetime.datetime:
        """The server's clock."""
        unix_s = self._unix_s_at_zero + asyncio.get_running_loop().time()
        return datetime.datetime.fromtimestamp(unix_s, datetime.UTC)

    def sessions(self) -> list[Session]:
        """The sessions that have not ended."""
        return [connection.session for connection in self._alive() if connection.session is not None]

    # For connections.

    def statement(self, query: str, args: Sequence[Any]) -> Request:
        """The request that a statement is. Raises AssertionError for an unknown one."""
        known = STATEMENTS.get(query)
        if known is None:
            self.not_modelled.append(query)
            raise AssertionError(f"the model Postgres does not know this statement: {query}")
        return Request(known.__name__, lambda view: known(view, *args))

    async def pass_hook(
        self, which: Literal["before", "after"], connection: ModelConnection, name: str
    ) -> None:
        hook = self.before_statement if which == "before" else self.after_statement
        if hook is not None:
            await hook(connection, name)

    def _alive(self) -> list[ModelConnection]:
        """The connections whose sessions have not ended. Those that have are forgotten."""
        self.connections = [each for each in self.connections if each.session and not each.session.ended]
        return self.connections

    def _install(self, installation: str) -> None:
        epoch = datetime.datetime.fromtimestamp(self._unix_s_at_zero, datetime.UTC)
        transaction = Transaction(self._storage, epoch)
        transaction.insert("installation", {"id": installation, "partitions": PARTITIONS})
        for partition in range(PARTITIONS):
            transaction.insert("partitions", {"partition": partition})
        transaction.commit()
