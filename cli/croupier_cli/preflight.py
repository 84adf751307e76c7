"""What `croupier up` checks before it starts or writes anything, and what it checks of the servers once they run."""

import asyncio
import contextlib

import asyncpg

from croupier.economy import version
from croupier.settings import Settings
from croupier.transport import Transport
from croupier_cli.data_directory import POSTGRES
from croupier_cli.economies import configured_economy, version_in_force
from croupier_cli.embedded.postgres import find_postgres
from croupier_cli.embedded.valkey import find_valkey
from croupier_cli.servers import postgres, redis, require_same_installation
from croupier_cli.value_checks import VALUE_CHECKS
from croupier_http.checks import check_redis
from croupier_http.server import reserve_port
from croupier_sync.postgres import require_durable


def check_before_start(settings: Settings) -> None:
    """Check all that needs nothing of ours to run: settings, economy file, programs, servers of other people.

    Raises, with one line: SettingsError, CannotRun, CannotStart, CannotServe, InstallationMismatch and others of
    `croupier_cli.failures`.
    """
    for check in VALUE_CHECKS:
        check(settings)
    if not settings.redis_url:
        find_valkey()
    if not settings.database_url:
        find_postgres()
    if not settings.data_dir.exists():
        free_port(settings)
    asyncio.run(check_servers(settings))


async def check_servers(settings: Settings) -> None:
    """Check those of Redis and Postgres that there are, and that they belong together. Changes nothing."""
    async with contextlib.AsyncExitStack() as connections:
        transport: Transport | None = None
        connection: asyncpg.Connection | None = None
        if settings.redis_url:
            transport = await connections.enter_async_context(redis(settings.redis_url))
            await check_redis(transport)
        if settings.database_url:
            connection = await connections.enter_async_context(postgres(settings.database_url))
            await require_durable(connection)
        postgres_is_new = not settings.database_url and not (settings.data_dir / POSTGRES).exists()
        if transport and (connection or postgres_is_new):
            await require_same_installation(transport, connection)


def free_port(settings: Settings) -> int:
    """The port to serve on, which for port 0 the system chooses. Raises AddressUnavailable where it is in use."""
    with reserve_port(settings.http_host, settings.http_port) as port:
        return port


async def economy_not_in_force(settings: Settings) -> str:
    """What to say where CROUPIER_ECONOMY is another economy than the one in force; empty where it is the same."""
    if not settings.economy:
        return ""
    configured = version(configured_economy(settings))
    async with redis(settings.redis_url) as transport:
        in_force = await version_in_force(transport)
    if configured == in_force:
        return ""
    return (
        f"warning: CROUPIER_ECONOMY is version {configured[:12]}, and {in_force[:12]} is in force. A start does not "
        f"change the economy: `croupier economy push {settings.economy}` does"
    )
