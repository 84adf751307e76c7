"""Which function answers which statement."""

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from tests.simulation.postgres.refusals import TWICE, refusal
from tests.simulation.postgres.schema import TABLES, Key, Row
from tests.simulation.postgres.session import View

Answer: TypeAlias = Callable[..., list[Row]]
"""Is given a `View` and the statement's arguments; its name is that of the statement for hooks."""

STATEMENTS: Final[dict[str, Answer]] = {}
"""By text."""


def answers(*queries: str) -> Callable[[Answer], Answer]:
    """Register a function for these statements."""

    def register(answer: Answer) -> Answer:
        for query in queries:
            assert query not in STATEMENTS, f"two functions answer {query}"
            STATEMENTS[query] = answer
        return answer

    return register


def picked(row: Row, *columns: str) -> Row:
    """These columns of a row, in this order."""
    return {column: row[column] for column in columns}


def zipped(names: str, *columns: list[Any]) -> list[Row]:
    """The rows that `unnest` makes of arrays, by the names of its columns."""
    return [dict(zip(names.split(), values, strict=True)) for values in zip(*columns, strict=True)]


def upsert(view: View, table: str, rows: list[Row], replaced: Callable[[Row, Row], Row | None]) -> list[Row]:
    """INSERT ... ON CONFLICT (primary key) DO UPDATE. `replaced` is given the row that is there and the new one.

    It returns what is changed; None where the WHERE of the DO UPDATE does not hold.
    """
    written: set[Key] = set()
    for row in rows:
        key = TABLES[table].key_of(row)
        if key in written:
            raise refusal(TWICE, "ON CONFLICT DO UPDATE command cannot affect row a second time")
        if view.rows.insert_unless_there(table, row):
            written.add(key)
            continue
        view.rows.lock(table, key)
        held = view.rows.get(table, key)
        assert held is not None
        if (changes := replaced(held, row)) is not None:
            view.rows.update(table, held, changes)
            written.add(key)
    return []
