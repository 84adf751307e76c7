"""Tables with rows under the ids of events: history, ledger and rewards, compared with what each event makes."""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import asyncpg
import msgspec

from croupier_schemas.events import EventId
from croupier_sync.rows import HistoryRow, LedgerRow, RewardRow
from croupier_sync.verification.findings import PROBLEMS_MAX, Check, Findings

_TIMEOUT_S: Final = 3_600.0

_Form = Callable[[Sequence[Any]], tuple[Any, ...]]


class Journal(NamedTuple):
    """A table. `key` are the columns by which it is ordered; `form` makes rows from both sides comparable."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    check: Check
    form: _Form = tuple


def _with_meta(row: Sequence[Any]) -> tuple[Any, ...]:
    """JSON by its meaning: Postgres keeps it in an order of its own."""
    return (*row[:-2], msgspec.json.decode(row[-2]), row[-1])


JOURNALS: Final = {
    HistoryRow: Journal("game_history", HistoryRow._fields, ("epoch", "seq"), "projections", _with_meta),
    LedgerRow: Journal("wallet_ledger", LedgerRow._fields, ("epoch", "seq", "line"), "ledger"),
    RewardRow: Journal("user_rewards", RewardRow._fields, ("epoch", "seq"), "projections"),
}
"""By type of row."""


class JournalCheck:
    """Compares one table, some thousands of events at a time."""

    def __init__(
        self, connection: asyncpg.Connection, partition: int, journal: Journal, findings: Findings
    ) -> None:
        self._connection = connection
        self._partition = partition
        self._journal = journal
        self._findings = findings
        self._after = (0, -1)
        self._places = [journal.columns.index(name) for name in journal.key]
        self._select = (
            f"SELECT {', '.join(journal.columns)} FROM {journal.name} "
            "WHERE partition = $1 AND (epoch, seq) > ($2, $3)"
        )
        self._order = f" ORDER BY {', '.join(journal.key)}"

    async def compare(self, rows: Sequence[Any], last: EventId) -> None:
        """The rows of the events that follow, up to `last`, in their order."""
        held = await self._connection.fetch(
            f"{self._select} AND (epoch, seq) <= ($4, $5){self._order}",
            self._partition, *self._after, last.epoch, last.seq, timeout=_TIMEOUT_S,
        )  # fmt: skip
        self._after = last.epoch, last.seq
        form = self._journal.form
        expected, found = [form(row) for row in rows], [form(row) for row in held]
        if expected != found:
            self._name(expected, found)

    async def end(self) -> None:
        """There are no more events, so no more rows may follow."""
        held = await self._connection.fetch(
            f"{self._select}{self._order} LIMIT {PROBLEMS_MAX}",
            self._partition,
            *self._after,
            timeout=_TIMEOUT_S,
        )
        self._name([], [self._journal.form(row) for row in held])

    def _key(self, row: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(row[place] for place in self._places)

    def _name(self, expected: list[tuple[Any, ...]], found: list[tuple[Any, ...]]) -> None:
        wanted, there = {self._key(row): row for row in expected}, {self._key(row): row for row in found}
        for key in sorted(wanted.keys() | there.keys()):
            event = EventId(self._partition, key[0], key[1])
            place = " ".join(f"{name} {value}" for name, value in zip(self._journal.key, key, strict=True))
            self._findings.differences(
                self._journal.check, f"{self._journal.name}, {place}", self._journal.columns,
                wanted.get(key), there.get(key), event,
            )  # fmt: skip
