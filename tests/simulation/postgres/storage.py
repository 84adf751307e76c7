"""What is stored: committed rows, the transactions that are under way, and the locks of the rows that they wrote.

A statement sees what was committed when it ran, and what its own transaction wrote (READ COMMITTED). A row that a
transaction wrote is locked until that ends, or until it goes back to a savepoint before the write.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from tests.simulation.postgres.refusals import CHECK, NOT_NULL, UNIQUE, refusal
from tests.simulation.postgres.schema import NOW, TABLES, Key, Row, Table, Unique

_Place: TypeAlias = tuple[str, Key]
"""A row by table and primary key, or an entry of a unique index by the index and its columns."""


class Blocked(Exception):
    """The statement needs a row that another transaction has locked; it is run again when that has ended."""

    def __init__(self, owner: "Transaction") -> None:
        super().__init__()
        self.owner = owner


@dataclass
class _Level:
    """What was written since a savepoint (or the beginning, or by one statement); None: the row was deleted."""

    name: str
    writes: dict[_Place, Row | None] = field(default_factory=dict)
    locks: list[_Place] = field(default_factory=list)


class Storage:
    """The committed rows by table and key, in the order in which they came, and who has locked which."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[Key, Row]] = {name: {} for name in TABLES}
        for table in TABLES.values():
            self.rows.update({unique.name: {} for unique in table.unique})
        self.locks: dict[_Place, Transaction] = {}


class Transaction:
    """One transaction: a stack of levels, the first one from its beginning, one more for each savepoint.

    `now` is the time at which it began, for what Postgres calls `now()`.
    """

    def __init__(self, storage: Storage, now: Any) -> None:
        self._storage = storage
        self._levels = [_Level("")]
        self._waiting: list[asyncio.Future[None]] = []
        self.now = now
        self.failed = False
        self.waits_for: Transaction | None = None

    # Rows.

    def get(self, table: str, key: Key) -> Row | None:
        """A row by its primary key."""
        place = table, key
        for level in reversed(self._levels):
            if place in level.writes:
                return level.writes[place]
        return self._storage.rows[table].get(key)

    def rows(self, table: str) -> list[Row]:
        """All rows that the transaction sees."""
        found: dict[Key, Row | None] = dict(self._storage.rows[table])
        for level in self._levels:
            found.update({key: row for (name, key), row in level.writes.items() if name == table})
        return [row for row in found.values() if row is not None]

    def lock(self, table: str, key: Key) -> None:
        """Lock a row, or the place where one would be. Raises Blocked."""
        place = table, key
        owner = self._storage.locks.get(place)
        if owner is None:
            self._storage.locks[place] = self
            self._levels[-1].locks.append(place)
        elif owner is not self:
            raise Blocked(owner)

    def insert(self, table_name: str, values: Mapping[str, Any]) -> None:
        """A new row. Raises Blocked, and asyncpg's errors where a constraint does not allow it."""
        table = TABLES[table_name]
        row = self._complete(table, values)
        self.lock(table.name, table.key_of(row))
        if self.get(table.name, table.key_of(row)) is not None:
            raise _not_unique(f"{table.name}_pkey", table.key, table.key_of(row))
        for unique in table.unique:
            self._enter(unique, row)
        self._write(table, row)

    def insert_unless_there(self, table_name: str, values: Mapping[str, Any]) -> bool:
        """INSERT ... ON CONFLICT DO NOTHING. Whether the row was inserted."""
        table = TABLES[table_name]
        key = table.key_of(values)
        if self._storage.locks.get((table.name, key), self) is self and self.get(table.name, key) is not None:
            return False
        self.insert(table_name, values)
        return True

    def update(self, table_name: str, row: Row, changes: Mapping[str, Any]) -> Row:
        """Change a row that the transaction sees; not its key. Raises Blocked, and asyncpg's errors."""
        table = TABLES[table_name]
        self.lock(table.name, table.key_of(row))
        changed = {**row, **changes}
        _check(table, changed)
        self._write(table, changed)
        return changed

    def delete(self, table_name: str, row: Row) -> None:
        """Delete a row that the transaction sees. Raises Blocked."""
        table = TABLES[table_name]
        assert not table.unique, f"a DELETE from {table.name} is not modelled"
        self.lock(table.name, table.key_of(row))
        self._levels[-1].writes[table.name, table.key_of(row)] = None

    def _complete(self, table: Table, values: Mapping[str, Any]) -> Row:
        """The row in the order of the columns, with defaults."""
        unknown = values.keys() - set(table.columns)
        assert not unknown, f"{table.name} has no column {sorted(unknown)}"
        defaults = {name: self.now if value is NOW else value for name, value in table.defaults.items()}
        row = {name: values.get(name, defaults.get(name)) for name in table.columns}
        _check(table, row)
        return row

    def _enter(self, unique: Unique, row: Row) -> None:
        if not unique.applies(row):
            return
        key = tuple(row[column] for column in unique.columns)
        self.lock(unique.name, key)
        if self.get(unique.name, key) is not None:
            raise _not_unique(unique.name, unique.columns, key)
        self._levels[-1].writes[unique.name, key] = row

    def _write(self, table: Table, row: Row) -> None:
        self._levels[-1].writes[table.name, table.key_of(row)] = row

    # Levels.

    def save(self, name: str) -> None:
        """Set a savepoint."""
        self._levels.append(_Level(name))

    def release(self, name: str) -> None:
        """Forget a savepoint, and those after it; what was written since stays."""
        while True:
            level = self._levels.pop()
            self._levels[-1].writes.update(level.writes)
            self._levels[-1].locks += level.locks
            if level.name == name:
                return

    def back_to(self, name: str) -> None:
        """Undo what was written since a savepoint, which stays."""
        while True:
            level = self._levels.pop()
            self._unlock(level)
            if level.name == name:
                break
        self.save(name)
        self.failed = False

    def undo_statement(self, name: str) -> None:
        """Undo a level as `back_to`, but keep its locks, and not the savepoint: for a statement that is run again."""
        level = self._levels.pop()
        assert level.name == name
        self._levels[-1].locks += level.locks

    def commit(self) -> None:
        """Make what was written last for ever, and visible to all."""
        for level in self._levels:
            for (table, key), row in level.writes.items():
                if row is None:
                    self._storage.rows[table].pop(key, None)
                else:
                    self._storage.rows[table][key] = row
        self._end()

    def roll_back(self) -> None:
        """Undo everything."""
        self._end()

    def _end(self) -> None:
        for level in self._levels:
            self._unlock(level)
        self._levels = []

    def _unlock(self, level: _Level) -> None:
        for place in level.locks:
            del self._storage.locks[place]
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    # Waiting.

    async def until_unlocked(self) -> None:
        """Return when this transaction has given up locks."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        await future

    def waits_for_itself_if(self, owner: "Transaction") -> bool:
        """Whether waiting for this other one would be a deadlock."""
        seen: Transaction | None = owner
        while seen is not None and seen is not self:
            seen = seen.waits_for
        return seen is self


def _check(table: Table, row: Row) -> None:
    """Raise asyncpg's errors for a row that a constraint does not allow."""
    for column in table.columns:
        if row[column] is None and column not in table.nullable:
            raise refusal(
                NOT_NULL,
                f'null value in column "{column}" of relation "{table.name}" violates not-null constraint',
            )
    for name, holds in table.checks.items():
        if not holds(row):
            raise refusal(CHECK, f'new row for relation "{table.name}" violates check constraint "{name}"')


def _not_unique(constraint: str, columns: tuple[str, ...], key: Key) -> Exception:
    return refusal(
        UNIQUE,
        f'duplicate key value violates unique constraint "{constraint}"',
        f"Key ({', '.join(columns)})=({', '.join(map(str, key))}) already exists.",
    )
