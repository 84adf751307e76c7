"""Projections inside a batch's transaction, so that none can stop events and mirror."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import NamedTuple

import asyncpg
import structlog

from croupier.economy import EconomyError, from_canonical
from croupier.gacha.table import CompiledEconomy, compile_economy
from croupier_schemas.events import Event, EventId
from croupier_sync.postgres import REFUSED
from croupier_sync.projections import PROJECTIONS
from croupier_sync.projections.economy import canonical_economy
from croupier_sync.rows import Row
from croupier_sync.tables import TABLES

log = structlog.get_logger(__name__)

_ECONOMIES = "SELECT version, canonical FROM economy_versions WHERE version = ANY($1::text[])"
_INSERT_FAILURES = """
INSERT INTO projection_failures (partition, epoch, seq, projection, error)
SELECT * FROM unnest($1::int[], $2::bigint[], $3::bigint[], $4::text[], $5::text[])
"""
_ERROR_LENGTH_MAX = 1_000

# A table that lacks a column, that may not be written, or whose trigger objects, is a fault of the projection too. So
# is a value of a wrong type, for which COPY raises what its encoder does.
TABLE_REFUSES = (*REFUSED, asyncpg.SyntaxOrAccessError, asyncpg.RaiseError, TypeError, ValueError)
"""What asyncpg raises for rows that a table does not take."""


class _Failure(NamedTuple):
    event: EventId
    projection: str
    error: Exception


class Rows(NamedTuple):
    """Rows of one type, and the event of each."""

    rows: list[Row]
    events: list[EventId]


class Projected(NamedTuple):
    """What events mean: rows by their type, and the events that could not be projected."""

    rows: dict[type, Rows]
    failures: list[_Failure]


class Projector:
    """Writes what events mean for queries. What it cannot write goes to `projection_failures`, and the rest on."""

    def __init__(self) -> None:
        self._economies: dict[bytes, CompiledEconomy] = {}
        self.failures = 0

    async def prepare(self, connection: asyncpg.Connection, events: Sequence[Event]) -> None:
        """Have the economies at hand that the events were made under. Before the batch's transaction."""
        if missing := self._learn_from(events):
            for row in await connection.fetch(_ECONOMIES, [version.hex() for version in missing]):
                self._learn(bytes.fromhex(row["version"]), row["canonical"])

    def is_prepared(self, events: Sequence[Event]) -> bool:
        """Whether these need nothing from Postgres before they are projected."""
        return not self._learn_from(events)

    def project(self, events: Sequence[Event]) -> Projected:
        """The rows of these events, which must be prepared. May be called in any thread."""
        failures: list[_Failure] = []
        by_type: dict[type, Rows] = {}
        for event in events:
            project = PROJECTIONS.get(event.header.type)
            if project is None:
                continue
            try:
                for row in project(event, self._economies):
                    if (placed := by_type.get(type(row))) is None:
                        placed = by_type[type(row)] = Rows([], [])
                    placed.rows.append(row)
                    placed.events.append(event.id)
            except Exception as error:  # whatever is wrong with it, only this event is affected
                failures.append(_Failure(event.id, event.header.type, error))
        return Projected(by_type, failures)

    async def write(self, connection: asyncpg.Connection, projected: Projected, *, carefully: bool) -> None:
        """Write the rows, in the batch's transaction.

        Where a table refuses a row, that is raised, and the transaction is lost; `carefully`, at the price of
        savepoints, only that event's rows are left out.
        """
        failures = list(projected.failures)
        for kind, placed in projected.rows.items():
            if carefully:
                failures += await self._write_table(connection, kind, placed)
            else:
                await TABLES[kind].write(connection, placed.rows)
        if failures:
            await self._bury(connection, failures)

    async def write_missing(self, connection: asyncpg.Connection, event: Event, projection: str) -> None:
        """Write the rows of an event that went to the dead letters under this name: its type's, or its table's.

        In a transaction, after `prepare`. Raises what the projection does, and asyncpg's errors.
        """
        project = PROJECTIONS.get(event.header.type)
        rows: dict[type, list[Row]] = {}
        for row in project(event, self._economies) if project else ():
            rows.setdefault(type(row), []).append(row)
        for kind, missing in rows.items():
            if projection in (event.header.type, TABLES[kind].name):
                await TABLES[kind].write(connection, missing)

    def _learn_from(self, events: Sequence[Event]) -> set[bytes]:
        """Learn the economies that these events bring. Returns the others that they were made under."""
        for event in events:
            if (canonical := canonical_economy(event)) is not None:
                self._learn(event.header.economy, canonical)
        return {event.header.economy for event in events if event.header.economy} - self._economies.keys()

    def _learn(self, version: bytes, canonical: bytes) -> None:
        if version in self._economies:
            return
        try:
            self._economies[version] = compile_economy(from_canonical(canonical), version.hex())
        except EconomyError as error:
            log.error("economy cannot be read", version=version.hex(), error=str(error))

    async def _write_table(self, connection: asyncpg.Connection, kind: type, placed: Rows) -> list[_Failure]:
        """One table, and where it refuses, event by event."""
        failures: list[_Failure] = []
        with suppress(*TABLE_REFUSES):
            async with connection.transaction():
                await TABLES[kind].write(connection, placed.rows)
                return failures
        for event, rows in _by_event(placed):
            try:
                async with connection.transaction():
                    await TABLES[kind].write(connection, rows)
            except TABLE_REFUSES as error:
                failures.append(_Failure(event, TABLES[kind].name, error))
        return failures

    async def _bury(self, connection: asyncpg.Connection, failures: list[_Failure]) -> None:
        self.failures += len(failures)
        for event, projection, error in failures:
            log.error("projection failed", event_id=str(event), projection=projection, error=repr(error))
        await connection.execute(
            _INSERT_FAILURES,
            [event.partition for event, _, _ in failures],
            [event.epoch for event, _, _ in failures],
            [event.seq for event, _, _ in failures],
            [projection for _, projection, _ in failures],
            [error_text(error) for _, _, error in failures],
        )


def error_text(error: Exception) -> str:
    """An error as `projection_failures` holds it."""
    return repr(error)[:_ERROR_LENGTH_MAX].replace("\0", "\\0")


def _by_event(placed: Rows) -> Iterable[tuple[EventId, list[Row]]]:
    groups: dict[EventId, list[Row]] = {}
    for row, event in zip(*placed, strict=True):
        groups.setdefault(event, []).append(row)
    return groups.items()
