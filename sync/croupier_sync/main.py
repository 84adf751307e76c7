"""The sync daemon as a process: `croupier sync`."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import asyncpg
import structlog

from croupier.economy import load_economy
from croupier.partition import PARTITIONS
from croupier.permissions import require_permissions
from croupier.plain import warn_of_plain_connections
from croupier.postgres import is_away, why_away
from croupier.settings import Settings
from croupier.transport import Transport, TransportError
from croupier_sync.daemon import PartitionSync
from croupier_sync.installation import check_installation
from croupier_sync.limits import RETRY_PAUSE_MAX_S, RETRY_PAUSE_MIN_S, Limits
from croupier_sync.migrations import check
from croupier_sync.pause import Backoff
from croupier_sync.postgres import connect, disconnect, require_durable
from croupier_sync.work import tune_interpreter

log = structlog.get_logger(__name__)

T = TypeVar("T")


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Carry every partition's events to Postgres until `stop` is set. Waits for servers that are away.

    Raises, before anything is touched: EconomyError for a bad economy file, MigrationError, NotDurable,
    InstallationMismatch, PartitionError, PermissionMissing, and ValueError for a URL that is none.
    """
    tune_interpreter()
    economy = load_economy(Path(settings.economy) if settings.economy else None)
    warn_of_plain_connections(settings)
    transport = Transport(settings.redis_url)
    try:
        await _until_reached("Redis", transport.open, stop)
        await _until_reached("Postgres", lambda: _check(transport, settings.database_url), stop)
        if stop.is_set():
            return
        limits = Limits(kept_s=settings.idempotency_ttl_seconds)
        syncs = [
            PartitionSync(transport, settings.database_url, partition, economy, limits)
            for partition in range(PARTITIONS)
        ]
        async with asyncio.TaskGroup() as group:
            for sync in syncs:
                group.create_task(sync.run(stop))
    finally:
        await transport.close()


async def _check(transport: Transport, database_url: str) -> None:
    """What must hold before the daemon may write."""
    await require_permissions(transport)
    connection: asyncpg.Connection = await connect(database_url)
    try:
        await check(connection)
        await require_durable(connection)
        await check_installation(transport, connection)
    finally:
        await disconnect(connection)


async def _until_reached(server: str, attempt: Callable[[], Awaitable[T]], stop: asyncio.Event) -> None:
    """Repeat the attempt while the server is away, and say so once."""
    backoff = Backoff(RETRY_PAUSE_MIN_S, RETRY_PAUSE_MAX_S)
    said = False
    while not stop.is_set():
        try:
            await attempt()
            return
        except Exception as error:
            if not isinstance(error, TransportError) and not is_away(error):
                raise
            if not said:
                log.warning(
                    "sync waits for a server",
                    server=server,
                    detail=str(error) if isinstance(error, TransportError) else why_away(error),
                )
                said = True
        await backoff.pause(stop)
