"""A session: the server's side of one connection, with its transaction and its advisory locks."""

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from tests.simulation.postgres.refusals import (
    DEADLOCK,
    IN_FAILED_TRANSACTION,
    NO_TRANSACTION,
    refusal,
)
from tests.simulation.postgres.schema import Row
from tests.simulation.postgres.storage import Blocked, Storage, Transaction

if TYPE_CHECKING:
    from tests.simulation.postgres.server import ModelPostgres

State: TypeAlias = Literal["active", "idle", "idle in transaction", "idle in transaction (aborted)"]
"""As `pg_stat_activity` has it."""

_STATEMENT = "statement"


@dataclass(frozen=True)
class View:
    """What a statement works with: its transaction's rows, the clock, and the server around it."""

    rows: Transaction
    session: "Session"
    server: "ModelPostgres"

    @property
    def now(self) -> datetime.datetime:
        """Postgres' `now()`: when the transaction began."""
        began: datetime.datetime = self.rows.now
        return began

    def clock(self) -> datetime.datetime:
        """Postgres' `clock_timestamp()`."""
        return self.server.now()


@dataclass(frozen=True)
class Request:
    """What a client sends. `name` is for hooks; `control` is a statement that begins or ends something."""

    name: str
    run: Callable[[View], list[Row]] | None = None
    control: Callable[["Session"], None] | None = None


class SessionEnded(Exception):
    """The session is over; nobody hears of what it was asked."""


class Session:
    """Runs requests one after another. `state_change` is when its state last changed."""

    def __init__(self, server: "ModelPostgres", storage: Storage, pid: int) -> None:
        self.server = server
        self.pid = pid
        self.ended = False
        self.state: State = "idle"
        self.state_change = server.now()
        self.advisory: dict[tuple[int, int], int] = {}
        self.transaction: Transaction | None = None
        self._statements_own: Transaction | None = None  # of a statement outside of a transaction
        self._storage = storage

    async def run(self, request: Request) -> list[Row]:
        """Run a request, waiting for locks. Raises what asyncpg raises, and SessionEnded."""
        if self.ended:
            raise SessionEnded
        self._become("active")
        try:
            if request.control is not None:
                request.control(self)
                return []
            assert request.run is not None
            return await self._run(request.run)
        finally:
            if not self.ended:
                self._become(self._rest())

    async def _run(self, statement: Callable[[View], list[Row]]) -> list[Row]:
        if self.transaction is None:
            self._statements_own = Transaction(self._storage, self.server.now())
        transaction = self.transaction or self._statements_own
        assert transaction is not None
        if transaction.failed:
            raise refusal(
                IN_FAILED_TRANSACTION,
                "current transaction is aborted, commands ignored until end of transaction block",
            )
        done = False
        try:
            rows = await self._attempt(transaction, statement)
            done = True
            return rows
        finally:
            if transaction is self._statements_own:
                self._statements_own = None
                transaction.commit() if done else transaction.roll_back()
            else:
                transaction.failed |= not done

    async def _attempt(self, transaction: Transaction, statement: Callable[[View], list[Row]]) -> list[Row]:
        """Run the statement whole. Where another transaction has a row that it needs, wait and run it again."""
        while True:
            transaction.save(_STATEMENT)
            try:
                rows = statement(View(transaction, self, self.server))
            except Blocked as blocked:
                transaction.undo_statement(_STATEMENT)
                if transaction.waits_for_itself_if(blocked.owner):
                    raise refusal(DEADLOCK, "deadlock detected") from None
                transaction.waits_for = blocked.owner
                try:
                    await blocked.owner.until_unlocked()
                finally:
                    transaction.waits_for = None
                if self.ended:
                    raise SessionEnded from None
            except BaseException:
                transaction.undo_statement(_STATEMENT)
                raise
            else:
                transaction.release(_STATEMENT)
                return rows

    def end(self) -> None:
        """The session is over: its transaction is rolled back, and its locks are free."""
        if self.ended:
            return
        self.ended = True
        self.advisory.clear()
        for transaction in (self.transaction, self._statements_own):
            if transaction is not None:
                transaction.roll_back()

    def _rest(self) -> State:
        if self.transaction is None:
            return "idle"
        return "idle in transaction (aborted)" if self.transaction.failed else "idle in transaction"

    def _become(self, state: State) -> None:
        self.state, self.state_change = state, self.server.now()

    # Transactions.

    def begin(self) -> None:
        assert self.transaction is None, "BEGIN within a transaction only warns, and is not modelled"
        self.transaction = Transaction(self._storage, self.server.now())

    def commit(self) -> None:
        """COMMIT. One that has failed is rolled back, without an error."""
        transaction, self.transaction = self.transaction, None
        if transaction is not None:
            transaction.roll_back() if transaction.failed else transaction.commit()

    def roll_back(self) -> None:
        transaction, self.transaction = self.transaction, None
        if transaction is not None:
            transaction.roll_back()

    def save(self, name: str) -> None:
        self._in_transaction(failed=False).save(name)

    def release(self, name: str) -> None:
        self._in_transaction(failed=False).release(name)

    def back_to(self, name: str) -> None:
        self._in_transaction(failed=True).back_to(name)

    def _in_transaction(self, *, failed: bool) -> Transaction:
        if self.transaction is None:
            raise refusal(NO_TRANSACTION, "there is no transaction in progress")
        if self.transaction.failed and not failed:
            raise refusal(IN_FAILED_TRANSACTION, "current transaction is aborted")
        return self.transaction
