"""The export daemon as a process: `croupier export`."""

import asyncio

import structlog

from croupier.postgres import is_away, why_away
from croupier.settings import Settings
from croupier_sync.export.clickhouse import ClickHouseSink
from croupier_sync.export.turns import Sink, Turns
from croupier_sync.limits import RETRY_PAUSE_MAX_S, RETRY_PAUSE_MIN_S
from croupier_sync.migrations import check
from croupier_sync.pause import Backoff
from croupier_sync.postgres import connect, disconnect
from croupier_sync.work import tune_interpreter

log = structlog.get_logger(__name__)


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Carry events from Postgres to the sinks that are on, until `stop` is set. Waits for servers that are away.

    A sink that fails, in whatever way, holds up no other one. Raises MigrationError, before anything is touched.
    """
    tune_interpreter()
    await _until_checked(settings.database_url, stop)
    async with asyncio.TaskGroup() as group:
        for sink in sinks(settings):
            group.create_task(Turns(sink, settings.database_url).run(stop))


def sinks(settings: Settings) -> list[Sink]:
    """The sinks that are on."""
    found: list[Sink] = []
    if settings.kafka_on:
        from croupier_sync.export.publisher import Publisher  # aiokafka takes its time to import

        found.append(Publisher(settings))
    if settings.clickhouse_on:
        found.append(ClickHouseSink(settings))
    return found


async def _until_checked(database_url: str, stop: asyncio.Event) -> None:
    """Return once Postgres is there and has its tables. Raises MigrationError where it is there and has not."""
    backoff = Backoff(RETRY_PAUSE_MIN_S, RETRY_PAUSE_MAX_S)
    while not stop.is_set():
        try:
            connection = await connect(database_url)
            try:
                await check(connection)
                return
            finally:
                await disconnect(connection)
        except Exception as error:
            if not is_away(error):
                raise
            log.warning("export waits for Postgres", detail=why_away(error))
        await backoff.pause(stop)
