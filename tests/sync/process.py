"""Daemons in processes of their own, for tests that suspend them."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import asyncpg

from croupier.transport import Transport
from croupier_sync.postgres import try_lock
from tests.sync.support import PARTITION, Casino


def follow(redis_url: str, database_url: str) -> None:
    """A daemon with the usual limits. It runs until it is killed."""
    asyncio.run(_follow(redis_url, database_url))


async def _follow(redis_url: str, database_url: str) -> None:
    transport = Transport(redis_url)
    connection = await asyncpg.connect(database_url)
    async with Casino.of(redis_url, database_url, transport, connection).daemon():
        await asyncio.Event().wait()


def suspended_while_copying(database_url: str) -> None:
    """Take the partition's lock, begin a COPY, and suspend this process before its first row is sent."""
    asyncio.run(_copy(database_url))


async def _copy(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    assert await try_lock(connection, PARTITION)
    await connection.copy_to_table("economy_versions", source=_suspended())


async def _suspended() -> AsyncIterator[bytes]:
    os.kill(os.getpid(), signal.SIGSTOP)
    yield b""
