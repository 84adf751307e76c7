"""Batches into ClickHouse: the insert, and what follows when ClickHouse refuses one."""

from collections.abc import Sequence
from typing import Final

import asyncpg
import structlog

from croupier.clickhouse import ClickHouse, Refused
from croupier_sync.export.batches import Batch, finish, give_up, pending, split
from croupier_sync.export.failures import DeadLetters, Failure
from croupier_sync.export.log import read_events
from croupier_sync.export.messages import Message, Renderer
from croupier_sync.export.rows import COLUMNS, NotARow, Row, by_column, row_of
from croupier_sync.work import beside

log = structlog.get_logger(__name__)

INSERT_TIMEOUT_S: Final = 60.0


class Writer:
    """Inserts batches that stand in Postgres, and takes them out of there once they are in ClickHouse."""

    def __init__(self, clickhouse: ClickHouse, renderer: Renderer, letters: DeadLetters) -> None:
        self._clickhouse = clickhouse
        self._renderer = renderer
        self._letters = letters

    async def write(self, connection: asyncpg.Connection, batch: Batch, rows: Sequence[Row]) -> None:
        """Insert a batch, whose rows these are. What ClickHouse refuses of it becomes dead letters, row by row.

        Raises Away, after which the batch may be in ClickHouse or not and is still to be written; Unavailable;
        Superseded.
        """
        try:
            await insert(self._clickhouse, rows, batch.token)
        except Refused as refusal:
            if len(rows) == 1:
                await self._refused(connection, batch, str(refusal))
                return
            first, second = await split(connection, batch)
            await self.write(connection, first, rows[: len(first.events)])
            await self.write(connection, second, rows[len(first.events) :])
        else:
            await finish(connection, batch, {row.day for row in rows})

    async def write_pending(self, connection: asyncpg.Connection) -> None:
        """Write what another time has left behind, from the log. Raises as `write` does."""
        for batch in await pending(connection):
            rows, failures = await self.rows_of_log(connection, batch)
            if failures:
                await self._letters.publish(failures)
                async with connection.transaction():
                    await self._letters.record(connection, failures)
            # What is left keeps the token of all of it, should that be in ClickHouse already.
            await self.write(connection, batch._replace(events=[row.id for row in rows]), rows)

    async def rows_of_log(
        self, connection: asyncpg.Connection, batch: Batch
    ) -> tuple[list[Row], list[Failure]]:
        """The rows of a batch, made again from the log; and what cannot be made any more."""
        messages = await self._messages(connection, batch)
        rows, failures = [], []
        for event in batch.events:
            if event not in messages:
                failures.append(
                    Failure(event, None, Message("", b"", b"", [], 0), "the log has no such event")
                )
                continue
            try:
                rows.append(row_of(messages[event].value))
            except NotARow as error:
                failures.append(Failure(event, None, messages[event], str(error)))
        return rows, failures

    async def _messages(self, connection: asyncpg.Connection, batch: Batch) -> dict[object, Message]:
        events = await read_events(connection, batch.events)
        await self._renderer.prepare(connection, events)
        messages = await beside(self._renderer.render, events)
        return {event.id: message for event, message in zip(events, messages, strict=True)}

    async def _refused(self, connection: asyncpg.Connection, batch: Batch, error: str) -> None:
        """The one event of a batch is a dead letter."""
        (event,) = batch.events
        log.error("ClickHouse refuses an event", event_id=str(event), error=error)
        message = (await self._messages(connection, batch)).get(event, Message("", b"", b"", [], 0))
        failures = [Failure(event, None, message, error)]
        await self._letters.publish(failures)
        async with connection.transaction():
            await give_up(connection, batch)
            await self._letters.record(connection, failures)


async def insert(clickhouse: ClickHouse, rows: Sequence[Row], token: str) -> None:
    """Insert rows, at most once per token. Raises Away and Refused."""
    if rows:
        types = list(COLUMNS.values())
        await clickhouse.insert(
            "game_events", by_column(rows), types, token=token, timeout_s=INSERT_TIMEOUT_S
        )
