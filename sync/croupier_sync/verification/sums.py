"""Tables with rows that add up events: statistics of players, hours of pools."""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import asyncpg

from croupier.partition import PARTITIONS
from croupier_sync.rebuild import ROWS_AT_ONCE
from croupier_sync.rows import PoolRow, StatsRow
from croupier_sync.verification.findings import Findings

_TIMEOUT_S: Final = 3_600.0

_Key = tuple[Any, ...]


class Sums(NamedTuple):
    """A table. Its first `key` columns tell its rows apart; `added` makes one row of two of the same key.

    `mine` is a condition on rows of the partition $1.
    """

    name: str
    fields: tuple[str, ...]
    key: int
    added: Callable[[Any, Any], Any]
    mine: str


def _rounds_added(one: StatsRow, other: StatsRow) -> StatsRow:
    return other._replace(
        rounds=one.rounds + other.rounds,
        wins=one.wins + other.wins,
        losses=one.losses + other.losses,
        total_bet=one.total_bet + other.total_bet,
        total_win=one.total_win + other.total_win,
        biggest_win=max(one.biggest_win, other.biggest_win),
        last_played_at=max(one.last_played_at, other.last_played_at),
    )


def _stock_added(one: PoolRow, later: PoolRow) -> PoolRow:
    return later._replace(drawn=one.drawn + later.drawn, added=one.added + later.added)


SUMS: Final = {
    StatsRow: Sums("game_stats", StatsRow._fields, 2, _rounds_added, f"uid % {PARTITIONS} = $1"),
    PoolRow: Sums("pool_hours", PoolRow._fields, 4, _stock_added, "partition = $1"),
}
"""By type of row."""


class SumsCheck:
    """Compares one table, and keeps a row of each key in memory."""

    def __init__(
        self, connection: asyncpg.Connection, partition: int, sums: Sums, findings: Findings
    ) -> None:
        self._connection = connection
        self._partition = partition
        self._sums = sums
        self._findings = findings
        self._rows: dict[_Key, Any] = {}
        self._unknown: set[_Key] = set()

    def add(self, row: Any) -> None:
        """The next row, in the order of the events."""
        key = row[: self._sums.key]
        before = self._rows.get(key)
        self._rows[key] = row if before is None else self._sums.added(before, row)

    def pass_over(self, row: Any) -> None:
        """This one may be in the table or not: nothing is said of the row with its key."""
        self._unknown.add(row[: self._sums.key])

    async def end(self) -> None:
        """There are no more events."""
        cursor = await self._connection.cursor(
            f"SELECT {', '.join(self._sums.fields)} FROM {self._sums.name} WHERE {self._sums.mine}",
            self._partition,
            timeout=_TIMEOUT_S,
        )
        while rows := await cursor.fetch(ROWS_AT_ONCE, timeout=_TIMEOUT_S):
            for found in map(tuple, rows):
                wanted = self._rows.pop(found[: self._sums.key], None)
                if wanted != found:
                    self._differ(wanted, found)
        for wanted in self._rows.values():
            self._differ(wanted, None)

    def _differ(self, wanted: Sequence[Any] | None, found: Sequence[Any] | None) -> None:
        key = (wanted or found or ())[: self._sums.key]
        if key in self._unknown:
            return
        place = " ".join(f"{name} {value}" for name, value in zip(self._sums.fields, key, strict=False))
        self._findings.differences(
            "projections", f"{self._sums.name}, {place}", self._sums.fields, wanted, found
        )
