"""What queries read, compared with what the events make of it: each projection is made again from the log.

The rows are made by the projections of the product. So that a fault of theirs is seen too, the ledger's lines are held
against the flow of each event, which is computed without them.
"""

from collections.abc import Sequence
from typing import Any, Final

import asyncpg

from croupier_schemas.events import Event, EventId
from croupier_sync.projections import PROJECTIONS
from croupier_sync.projections.economy import Economies
from croupier_sync.rows import DailyRow, LedgerRow, PoolRow, Row
from croupier_sync.tables import TABLES
from croupier_sync.verification.findings import Findings
from croupier_sync.verification.flows import Flow
from croupier_sync.verification.journals import JOURNALS, JournalCheck
from croupier_sync.verification.summaries import SUMMARIES, SummaryCheck
from croupier_sync.verification.sums import SUMS, SumsCheck

_BURIED = "SELECT epoch, seq, projection FROM projection_failures WHERE partition = $1"
_POOLS_AFTER = "SELECT epoch, seq FROM pool_hours_after WHERE partition = $1"
_DAYS_OPEN: Final = 1
"""A day may be entered by one worker while another still counts the day before."""


class Projections:
    """Is shown the events of a partition in their order. What is among the dead letters is not missed."""

    def __init__(
        self, connection: asyncpg.Connection, partition: int, economies: Economies, findings: Findings
    ) -> None:
        self._connection = connection
        self._partition = partition
        self._economies = economies
        self._findings = findings
        self._journals = {
            kind: JournalCheck(connection, partition, journal, findings) for kind, journal in JOURNALS.items()
        }
        self._summaries = {
            kind: SummaryCheck(connection, partition, summary, findings)
            for kind, summary in SUMMARIES.items()
        }
        self._sums = {kind: SumsCheck(connection, partition, sums, findings) for kind, sums in SUMS.items()}
        self._pools_after = EventId(partition, 0, -1)
        self._buried: set[tuple[int, int, str]] | None = None

    async def compare(self, events: Sequence[tuple[Event, Flow | None]]) -> None:
        """The next events, each with its flow; None where that is not known."""
        if not events:
            return
        if self._buried is None:
            await self._begin()
        rows: dict[type, list[Any]] = {kind: [] for kind in self._journals}
        newest_day = 0
        for event, flow in events:
            lines: list[LedgerRow] = []
            for row in self._rows(event):
                kind = type(row)
                if kind in rows:
                    rows[kind].append(row)
                    if isinstance(row, LedgerRow):
                        lines.append(row)
                elif kind in self._summaries:
                    self._summaries[kind].add(row)
                    if isinstance(row, DailyRow):
                        newest_day = row.day
                elif isinstance(row, PoolRow) and event.id <= self._pools_after:
                    self._sums[PoolRow].pass_over(row)  # an event older than the table
                elif kind in self._sums:
                    self._sums[kind].add(row)
            if flow is not None:
                self._check_lines(event, lines, flow)
        for kind, journal in self._journals.items():
            await journal.compare(rows[kind], events[-1][0].id)
        self._summaries[DailyRow].put_aside(lambda row: row.day < newest_day - _DAYS_OPEN)
        for summary in self._summaries.values():
            await summary.compare()

    async def end(self) -> None:
        """There are no more events."""
        for journal in self._journals.values():
            await journal.end()
        for summary in self._summaries.values():
            await summary.end()
        for sums in self._sums.values():
            await sums.end()

    async def _begin(self) -> None:
        self._buried = {tuple(row) for row in await self._connection.fetch(_BURIED, self._partition)}
        if (row := await self._connection.fetchrow(_POOLS_AFTER, self._partition)) is not None:
            self._pools_after = EventId(self._partition, *row)

    def _rows(self, event: Event) -> Sequence[Row]:
        project = PROJECTIONS.get(event.header.type)
        if project is None or self._is_buried(event, event.header.type):
            return ()
        try:
            rows = project(event, self._economies)
        except Exception as error:  # as the projector does: whatever is wrong with it
            self._findings.add("projections", f"its rows cannot be made: {error!r}", event.id)
            return ()
        return (
            [row for row in rows if not self._is_buried(event, TABLES[type(row)].name)]
            if self._buried
            else rows
        )

    def _is_buried(self, event: Event, projection: str) -> bool:
        return bool(self._buried) and (event.id.epoch, event.id.seq, projection) in (self._buried or ())

    def _check_lines(self, event: Event, lines: Sequence[LedgerRow], flow: Flow) -> None:
        """The lines of an event come to what it brought in and took out."""
        if self._is_buried(event, event.header.type) or self._is_buried(event, TABLES[LedgerRow].name):
            return
        for currency, change in (("tokens", flow.tokens), ("gems", flow.gems)):
            total = sum(line.delta for line in lines if line.currency == currency)
            if total != change:
                self._findings.add(
                    "ledger", f"its lines come to {total:+} {currency}, and it makes {change:+}", event.id
                )
