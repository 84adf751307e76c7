"""Connections to the servers for a command's own use, and whether Redis and Postgres may be used together."""

import contextlib
from collections.abc import AsyncIterator

import asyncpg

from croupier.clickhouse import ClickHouse, ClickHouseError
from croupier.partition import PARTITIONS, read_head
from croupier.postgres import why_away
from croupier.settings import Settings, SettingsError
from croupier.transport import Address, Transport
from croupier_cli.errors import CannotRun
from croupier_sync.errors import InstallationMismatch
from croupier_sync.installation import check_installation
from croupier_sync.postgres import connect, disconnect

_HAS_TABLES = "SELECT to_regclass('installation') IS NOT NULL"
_IS_INSTALLATION = "SELECT EXISTS (SELECT FROM installation)"


def require(settings: Settings, *variables: str) -> None:
    """Raise SettingsError that names those of the environment variables that are not set."""
    values = {
        "REDIS_URL": settings.redis_url,
        "DATABASE_URL": settings.database_url,
        "JWT_SECRET_KEY": settings.jwt_secret_key,
        "CROUPIER_MASTER_KEYS": settings.master_keys,
        "KAFKA_BOOTSTRAP_SERVERS": settings.kafka_bootstrap_servers,
        "CLICKHOUSE_URL": settings.clickhouse_url,
    }
    if missing := [name for name in variables if not values[name]]:
        raise SettingsError(f"{' and '.join(missing)} must be set; `croupier up` starts servers of its own")


def require_redis_url(url: str) -> None:
    """Raise SettingsError for a URL that is none."""
    try:
        Address.from_url(url)
    except ValueError as error:
        raise SettingsError(f"REDIS_URL: {error}") from None


@contextlib.asynccontextmanager
async def redis(url: str) -> AsyncIterator[Transport]:
    """A connection to Redis. Raises SettingsError for a URL that is none, and Unavailable."""
    require_redis_url(url)
    transport = Transport(url)
    await transport.open()
    try:
        yield transport
    finally:
        await transport.close()


@contextlib.asynccontextmanager
async def postgres(url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to Postgres. Raises CannotRun where there is none to be had, and asyncpg's errors."""
    try:
        connection = await connect(url)
    except TimeoutError:
        raise CannotRun("Postgres does not answer (DATABASE_URL)") from None
    except OSError as error:
        raise CannotRun(f"Postgres cannot be reached: {why_away(error)} (DATABASE_URL)") from error
    try:
        yield connection
    finally:
        await disconnect(connection)


@contextlib.asynccontextmanager
async def clickhouse(url: str) -> AsyncIterator[ClickHouse]:
    """A ClickHouse, connected to when it is first asked. `url` is that of settings, which have checked it."""
    server = ClickHouse.of_url(url)
    try:
        yield server
    except ClickHouseError as error:
        raise CannotRun(f"ClickHouse: {error} (CLICKHOUSE_URL)") from error
    finally:
        await server.close()


async def require_same_installation(transport: Transport, connection: asyncpg.Connection | None) -> None:
    """Raise InstallationMismatch where this Redis does not belong to this Postgres. Changes nothing.

    A Postgres still to be made (None), without tables, or where `croupier migrate` was killed before its last step,
    will be a new installation: no Redis belongs to that which has been used already.
    """
    if connection is not None and await _is_installation(connection):
        await check_installation(transport, connection)
        return
    for partition in range(PARTITIONS):
        head = await read_head(transport, partition)
        if head is not None:
            raise InstallationMismatch(
                f"Redis holds the data of {_owner(head.installation)}, and this Postgres is empty: "
                "REDIS_URL and DATABASE_URL do not belong together"
            )


async def _is_installation(connection: asyncpg.Connection) -> bool:
    return bool(await connection.fetchval(_HAS_TABLES) and await connection.fetchval(_IS_INSTALLATION))


def _owner(installation: str) -> str:
    return f"installation {installation}" if installation else "a server without Postgres"
