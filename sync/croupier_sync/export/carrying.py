"""Events straight from the log into ClickHouse: where there is no Kafka, and where Kafka has lost what it had."""

import asyncio
import time
from collections.abc import Sequence
from typing import Final

import asyncpg

from croupier_schemas.events import Event
from croupier_sync.export.batches import Batch, put
from croupier_sync.export.cursors import BEGINNING, Place, move_cursor
from croupier_sync.export.failures import DeadLetters, Failure
from croupier_sync.export.log import read_after, read_ends
from croupier_sync.export.messages import Renderer
from croupier_sync.export.rows import NotARow, Row, row_of
from croupier_sync.export.taken import Taken
from croupier_sync.export.writer import Writer
from croupier_sync.work import beside

BATCH_MAX: Final = 10_000
"""Events of one insert."""
GATHER_S: Final = 0.5
"""While few events come: so long at least from one insert to the next, since each makes a part that is to be merged."""


class Carrier:
    """Carries events from the log on, from the place up to which ClickHouse has them all."""

    def __init__(
        self,
        renderer: Renderer,
        writer: Writer,
        letters: DeadLetters,
        taken: Taken,
        batch_max: int = BATCH_MAX,
    ) -> None:
        self._renderer = renderer
        self._writer = writer
        self._letters = letters
        self._taken = taken
        self._batch_max = batch_max
        self._next_s: dict[int, float] = {}

    async def carry(self, connection: asyncpg.Connection, stop: asyncio.Event) -> bool:
        """Take the next events of each partition, if there are enough, or time has passed. Whether any were taken.

        Raises Away, Unavailable, Superseded.
        """
        carried = False
        for partition, place in list(self._taken.complete.items()):
            if not stop.is_set():
                carried |= await self._carry_gathered(connection, partition, place)
        return carried

    async def catch_up(self, connection: asyncpg.Connection, stop: asyncio.Event) -> bool:
        """Take all that the log has now. Whether it was all: False when told to stop before. Raises as `carry` does."""
        for partition, end in (await read_ends(connection)).items():
            while self._taken.complete.get(partition, BEGINNING) < end:
                if stop.is_set():
                    return False
                place = self._taken.complete[partition]
                await self._take(
                    connection, place, await read_after(connection, partition, place, self._batch_max)
                )
        return True

    async def _carry_gathered(self, connection: asyncpg.Connection, partition: int, place: Place) -> bool:
        events = await read_after(connection, partition, place, self._batch_max)
        now_s = time.monotonic()
        if not events or (len(events) < self._batch_max and now_s < self._next_s.get(partition, 0.0)):
            return False
        self._next_s[partition] = now_s + GATHER_S
        await self._take(connection, place, events)
        return True

    async def _take(self, connection: asyncpg.Connection, before: Place, events: Sequence[Event]) -> None:
        """These events, the ones that follow `before`: those that ClickHouse lacks are inserted."""
        partition, after = events[-1].id.partition, Place.of(events[-1].id)
        lacking = [event for event in events if event.id not in self._taken]
        await self._renderer.prepare(connection, lacking)
        rows, failures = await beside(self._rows, lacking)
        await self._letters.publish(failures)
        batch: Batch | None = None
        async with connection.transaction():
            await move_cursor(connection, "clickhouse", partition, before, after)
            await self._letters.record(connection, failures)
            if rows:
                batch = await put(connection, [row.id for row in rows])
        self._taken.complete_up_to(partition, after)
        if batch is not None:
            await self._writer.write(connection, batch, rows)

    def _rows(self, events: Sequence[Event]) -> tuple[list[Row], list[Failure]]:
        rows, failures = [], []
        for event, message in zip(events, self._renderer.render(events), strict=True):
            try:
                rows.append(row_of(message.value))
            except NotARow as error:
                failures.append(Failure(event.id, None, message, str(error)))
        return rows, failures
