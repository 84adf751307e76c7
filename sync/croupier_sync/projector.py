"""Projections inside a batch's transaction, so that none can stop events and mirror."""

from collections.abc import Iterable, Sequence
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

# A table that lacks a column, or that may not be written, is a fault of the projection too.
_TABLE_REFUSES = (*REFUSED, asyncpg.SyntaxOrAccessError)


class _Failure(NamedTuple):
    event: EventId
    projection: str
    error: Exception


class _Placed(NamedTuple):
    event: EventId
    row: Row


class Projector:
    """Writes what events mean for queries. What it cannot write goes to `projection_failures`, and the rest on."""

    def __init__(self) -> None:
        self._economies: dict[bytes, CompiledEconomy] = {}
        self.failures = 0

    async def prepare(self, connection: asyncpg.Connection, events: Sequence[Event]) -> None:
        """Have the economies at hand that the events were made under. Before the batch's transaction."""
        for event in events:
            if (canonical := canonical_economy(event)) is not None:
                self._learn(event.header.economy, canonical)
        needed = {event.header.economy for event in events if event.header.economy}
        if missing := needed - self._economies.keys():
            for row in await connection.fetch(_ECONOMIES, [version.hex() for version in missing]):
                self._learn(bytes.fromhex(row["version"]), row["canonical"])

    async def write(self, connection: asyncpg.Connection, events: Sequence[Event]) -> None:
        """Write the rows of these events. In the batch's transaction; raises only what breaks that as a whole."""
        failures: list[_Failure] = []
        rows: dict[type, list[_Placed]] = {}
        for event in events:
            project = PROJECTIONS.get(event.header.type)
            if project is None:
                continue
            try:
                for row in project(event, self._economies):
                    rows.setdefault(type(row), []).append(_Placed(event.id, row))
            except Exception as error:  # whatever is wrong with it, only this event is affected
                failures.append(_Failure(event.id, event.header.type, error))
        if rows and not await self._write_tables(connection, rows):
            for kind, placed in rows.items():
                failures += await self._write_table(connection, kind, placed)
        if failures:
            await self._bury(connection, failures)

    def _learn(self, version: bytes, canonical: bytes) -> None:
        if version in self._economies:
            return
        try:
            self._economies[version] = compile_economy(from_canonical(canonical), version.hex())
        except EconomyError as error:
            log.error("economy cannot be read", version=version.hex(), error=str(error))

    async def _write_tables(self, connection: asyncpg.Connection, rows: dict[type, list[_Placed]]) -> bool:
        """The usual case: all tables under one savepoint. False when one refused, and then none is written."""
        try:
            async with connection.transaction():
                for kind, placed in rows.items():
                    await TABLES[kind].write(connection, [row for _, row in placed])
        except _TABLE_REFUSES:
            return False
        return True

    async def _write_table(
        self, connection: asyncpg.Connection, kind: type, placed: list[_Placed]
    ) -> list[_Failure]:
        """One table, and where it refuses, event by event."""
        if await self._write_tables(connection, {kind: placed}):
            return []
        failures = []
        for event, rows in _by_event(placed):
            try:
                async with connection.transaction():
                    await TABLES[kind].write(connection, rows)
            except _TABLE_REFUSES as error:
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
            [repr(error)[:_ERROR_LENGTH_MAX].replace("\0", "\\0") for _, _, error in failures],
        )


def _by_event(placed: Iterable[_Placed]) -> Iterable[tuple[EventId, list[Row]]]:
    groups: dict[EventId, list[Row]] = {}
    for event, row in placed:
        groups.setdefault(event, []).append(row)
    return groups.items()
