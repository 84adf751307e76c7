"""The sink ClickHouse: every event of the log once, through Kafka where that is on, else straight from the log."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Final

import asyncpg

from croupier.clickhouse import Away, ClickHouse, Refused
from croupier.settings import Settings
from croupier_sync.errors import MigrationError
from croupier_sync.export.carrying import BATCH_MAX, Carrier
from croupier_sync.export.clickhouse_tables import check
from croupier_sync.export.counting import Counting
from croupier_sync.export.cursors import read_cursors
from croupier_sync.export.failures import DeadLetters
from croupier_sync.export.messages import Renderer
from croupier_sync.export.taken import read_taken
from croupier_sync.export.turns import Status, Unavailable
from croupier_sync.export.writer import Writer
from croupier_sync.installation import read_installation
from croupier_sync.pause import pause

_IDLE_PAUSE_S: Final = 0.1
_STATEMENT_TIMEOUT_S: Final = 30.0

_INSTALLATIONS = "SELECT id FROM installation"
# The cursor, the offsets, and what is under way are of another ClickHouse.
_BEGIN = """
DELETE FROM clickhouse_offsets;
DELETE FROM clickhouse_batches;
DELETE FROM clickhouse_days;
UPDATE sink_cursors SET epoch = 0, seq = -1 WHERE sink = 'clickhouse';
"""


class ClickHouseSink:
    """Inserts batches that are taken in one transaction with the cursor: see `batches`."""

    def __init__(self, settings: Settings, batch_max: int = BATCH_MAX) -> None:
        """Raises ValueError for a `CLICKHOUSE_URL` that is none."""
        self._batch_max = batch_max
        self.status = Status("clickhouse")
        self._settings = settings
        self._clickhouse = ClickHouse.of_url(settings.clickhouse_url)
        self._renderer = Renderer(settings.kafka_purchases_topic)
        self._letters = DeadLetters(settings)

    async def follow(self, connection: asyncpg.Connection, stop: asyncio.Event) -> None:
        """Carry events until `stop` is set. Raises Unavailable, Superseded and asyncpg's errors."""
        try:
            await self._follow(connection, stop)
        except (Away, Refused) as error:
            raise Unavailable(f"ClickHouse: {error}") from error
        except MigrationError as error:
            raise Unavailable(str(error)) from error
        finally:
            await self._clickhouse.close()

    async def _follow(self, connection: asyncpg.Connection, stop: asyncio.Event) -> None:
        clickhouse = self._clickhouse
        await check(clickhouse)
        await belong_together(connection, clickhouse)
        writer = Writer(clickhouse, self._renderer, self._letters)
        await writer.write_pending(connection)
        taken = await read_taken(connection, clickhouse, await read_cursors(connection, "clickhouse"))
        carrier = Carrier(self._renderer, writer, self._letters, taken, self._batch_max)
        async with AsyncExitStack() as open_:
            step: Callable[[], Awaitable[None]]
            if self._settings.kafka_on:
                from croupier_sync.export.reading import Reader, Topics  # aiokafka takes its time to import

                topics = await Topics.open(self._settings)
                open_.push_async_callback(topics.close)
                reader = Reader(topics, carrier, writer, self._letters, taken, self._batch_max)
                await reader.begin(connection, stop)

                async def step() -> None:
                    await reader.read(connection, stop)
            else:

                async def step() -> None:
                    if not await carrier.carry(connection, stop):
                        await pause(stop, _IDLE_PAUSE_S)

            self.status.change("following")
            counting = Counting(clickhouse)
            while not stop.is_set():
                await step()
                await counting.count_if_due(connection)


async def belong_together(connection: asyncpg.Connection, clickhouse: ClickHouse) -> None:
    """See to it that ClickHouse is filled from this Postgres alone. A new one gets every event from the beginning.

    Raises Unavailable where it is filled from another one; Away.
    """
    installation = (await read_installation(connection)).id
    found = {row["id"] for row in await clickhouse.fetch(_INSTALLATIONS)}
    if not found:
        async with connection.transaction():
            await connection.execute(_BEGIN)
        name = installation.replace("\\", "\\\\").replace("'", "\\'")
        await clickhouse.execute(
            f"INSERT INTO installation (id) VALUES ('{name}')", timeout_s=_STATEMENT_TIMEOUT_S
        )
    elif found != {installation}:
        raise Unavailable(
            f"ClickHouse is filled from installation {min(found - {installation})}, and Postgres is installation "
            f"{installation}: CLICKHOUSE_URL and DATABASE_URL do not belong together"
        )
