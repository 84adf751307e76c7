"""Keeps a worker connected: makes the first connection to Redis, and looks at each server it then finds there."""

import asyncio
from typing import Final

import structlog

from croupier.engine import Engine
from croupier.errors import CroupierError
from croupier.partition import PartitionError
from croupier.standalone import BelongsToPostgres, open_without_postgres
from croupier.transport import TransportError
from croupier_http.checks import RedisUnsuitable, check_redis
from croupier_schemas.economy import Economy

log = structlog.get_logger(__name__)

_INTERVAL_S: Final = 0.25


async def keep_connected(engine: Engine, economy: Economy | None) -> None:
    """Never returns. With `economy` this server has no Postgres, and opens the partition by itself.

    Raises RedisUnsuitable where the first server found must not be used; of a later one only the log speaks, since by
    then there are players on this server.
    """
    transport = engine.transport
    looked_at, trouble = 0, ""
    while True:
        try:
            if transport.connection_number == 0:
                await transport.open()
            number = transport.connection_number
            if number != looked_at and transport.identity is not None:
                await _look(engine, economy, first=looked_at == 0)
                looked_at, trouble = number, ""
        except (TransportError, PartitionError, CroupierError) as error:
            if str(error) != trouble:
                trouble = str(error)
                log.warning("Redis cannot be used yet", error=trouble)
        await asyncio.sleep(_INTERVAL_S)


async def _look(engine: Engine, economy: Economy | None, *, first: bool) -> None:
    try:
        await check_redis(engine.transport)
        if economy is not None:
            deterministic = engine.injected_clock is not None
            await open_without_postgres(
                engine.transport, engine.scripts, economy, deterministic=deterministic
            )
    except (RedisUnsuitable, BelongsToPostgres) as error:
        if first:
            raise RedisUnsuitable(str(error)) from None
        log.error("another Redis took over that must not be used", error=str(error))
