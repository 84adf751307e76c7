"""Waiting until Postgres holds what Redis' outbox holds."""

import asyncio
from collections.abc import Callable
from typing import Final

import asyncpg

from croupier.partition import PARTITIONS, read_head
from croupier.settings import Settings
from croupier.transport import Transport
from croupier_cli.failures import reason_of
from croupier_cli.servers import postgres, redis
from croupier_schemas import keys
from croupier_sync.position import read_position

DRAIN_TIMEOUT_S: Final = 10.0
_POLL_INTERVAL_S: Final = 0.05


async def drain(settings: Settings, give_up: Callable[[], bool]) -> bool:
    """Wait, but not long, until the sync daemon has carried to Postgres what is in the outbox now.

    False where it did not come to that; nothing is lost then, since the outbox is kept.
    """
    try:
        async with (
            asyncio.timeout(DRAIN_TIMEOUT_S),
            redis(settings.redis_url) as transport,
            postgres(settings.database_url) as connection,
        ):
            last = [await _last_entry(transport, partition) for partition in range(PARTITIONS)]
            for partition, entry in enumerate(last):
                while entry > await _applied(connection, partition):
                    if give_up():
                        return False
                    await asyncio.sleep(_POLL_INTERVAL_S)
    except Exception as error:
        if reason_of(error) is None:
            raise
        return False  # a server has gone, or it takes too long
    return True


async def _last_entry(transport: Transport, partition: int) -> tuple[int, int]:
    """Epoch and number of the partition's last event; (0, 0) where none is to be waited for."""
    head = await read_head(transport, partition)
    if head is None or not head.fence:
        return 0, 0  # closed by an alarm: the daemon carries nothing from there
    entries = await transport.call("XREVRANGE", keys.outbox(partition, head.fence), "+", "-", "COUNT", 1)
    match entries:
        case [[bytes(entry), *_]]:
            epoch, _, number = entry.partition(b"-")
            return int(epoch), int(number)
    return 0, 0


async def _applied(connection: asyncpg.Connection, partition: int) -> tuple[int, int]:
    cursor = (await read_position(connection, partition)).cursor
    return (cursor.epoch, cursor.seq) if cursor else (0, 0)
