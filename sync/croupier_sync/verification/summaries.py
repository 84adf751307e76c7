"""Tables with rows that later events replace: rounds of crash, sessions, days of pulls."""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import asyncpg

from croupier.partition import PARTITIONS
from croupier_sync.rebuild import ROWS_AT_ONCE
from croupier_sync.rows import CrashRow, DailyRow, SessionRow
from croupier_sync.verification.findings import PROBLEMS_MAX, Findings

_TIMEOUT_S: Final = 3_600.0

_Key = tuple[Any, ...]


class Summary(NamedTuple):
    """A table. `key` are the first columns, of the types `key_types`; `columns` are as its type of row has them.

    `is_last` says of a row that no later event changes it. `strays` selects rows whose key no event has.
    """

    name: str
    fields: tuple[str, ...]
    columns: str
    key_types: tuple[str, ...]
    is_last: Callable[[Any], bool]
    strays: str

    @property
    def key(self) -> tuple[str, ...]:
        return self.fields[: len(self.key_types)]


SUMMARIES: Final = {
    CrashRow: Summary(
        "crash_sessions",
        CrashRow._fields,
        "external_session_id, uid, status, bet_amount, (100 * auto_cashout)::bigint, "
        "(100 * cashout_multiplier)::bigint, (100 * crash_multiplier)::bigint, payout_amount, started_at, "
        "cashed_out_at",
        ("text",),
        lambda row: row.status != "active",
        # Every round is in the history, which is compared on its own.
        "NOT EXISTS (SELECT FROM game_history h WHERE h.uid = t.uid AND h.game_type = 'crash' "
        "AND h.result_meta->>'game_id' = t.external_session_id)",
    ),
    SessionRow: Summary(
        "game_sessions",
        SessionRow._fields,
        ", ".join(SessionRow._fields),
        ("text",),
        lambda row: row.ended_at is not None,
        # A session's id ends with the operation id of its start.
        "NOT EXISTS (SELECT FROM events e WHERE e.op_id = decode(right(t.session_id, 32), 'hex'))",
    ),
    DailyRow: Summary(
        "gacha_daily",
        DailyRow._fields,
        ", ".join(DailyRow._fields),
        ("int", "bigint"),
        lambda row: False,
        "NOT EXISTS (SELECT FROM events e WHERE (e.epoch, e.seq) = (t.epoch, t.seq) AND e.uid = t.uid)",
    ),
}
"""By type of row."""


class SummaryCheck:
    """Compares one table. Rows that are still to change are kept in memory: of each player, a few."""

    def __init__(
        self, connection: asyncpg.Connection, partition: int, summary: Summary, findings: Findings
    ) -> None:
        self._connection = connection
        self._partition = partition
        self._summary = summary
        self._findings = findings
        self._open: dict[_Key, Any] = {}
        self._last: dict[_Key, Any] = {}
        self._keys = 0
        self._found_before = findings.of("projections")

    def add(self, row: Any) -> None:
        """The next row, in the order of the events."""
        key = row[: len(self._summary.key_types)]
        if self._open.pop(key, None) is None:
            self._keys += 1
        (self._last if self._summary.is_last(row) else self._open)[key] = row

    def put_aside(self, is_over: Callable[[Any], bool]) -> None:
        """Of the open rows, take those for the last ones of which that is true."""
        over = [key for key, row in self._open.items() if is_over(row)]
        self._last |= {key: self._open.pop(key) for key in over}

    async def compare(self) -> None:
        """Compare what does not change any more."""
        wanted, self._last = list(self._last.items()), {}
        for start in range(0, len(wanted), ROWS_AT_ONCE):
            await self._compare(dict(wanted[start : start + ROWS_AT_ONCE]))

    async def end(self) -> None:
        """There are no more events."""
        self.put_aside(lambda _row: True)
        await self.compare()
        name, mine = self._summary.name, f"t.uid % {PARTITIONS} = {self._partition}"
        count = await self._connection.fetchval(
            f"SELECT count(*) FROM {name} t WHERE {mine}", timeout=_TIMEOUT_S
        )
        if count != self._keys:
            self._findings.add("projections", f"{name} has {count} rows, and the log makes {self._keys}")
            for row in await self._connection.fetch(
                f"SELECT {self._summary.columns} FROM {name} t WHERE {mine} AND {self._summary.strays}"
                f" LIMIT {PROBLEMS_MAX}", timeout=_TIMEOUT_S,
            ):  # fmt: skip
                self._differ(tuple(row)[: len(self._summary.key_types)], None, tuple(row))

    async def _compare(self, wanted: dict[_Key, Any]) -> None:
        types = self._summary.key_types
        arrays = ", ".join(f"${number}::{kind}[]" for number, kind in enumerate(types, start=1))
        rows = await self._connection.fetch(
            f"SELECT {self._summary.columns} FROM {self._summary.name} t "
            f"WHERE ({', '.join(self._summary.key)}) IN (SELECT * FROM unnest({arrays}))",
            *(list(column) for column in zip(*wanted, strict=True)), timeout=_TIMEOUT_S,
        )  # fmt: skip
        found = {row[: len(types)]: row for row in map(tuple, rows)}
        if found != wanted:
            for key, row in wanted.items():
                self._differ(key, row, found.get(key))

    def _differ(self, key: _Key, wanted: Sequence[Any] | None, found: Sequence[Any] | None) -> None:
        place = " ".join(f"{name} {value}" for name, value in zip(self._summary.key, key, strict=True))
        self._findings.differences(
            "projections", f"{self._summary.name}, {place}", self._summary.fields, wanted, found
        )
