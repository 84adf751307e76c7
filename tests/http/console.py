"""A house for the tests of the console: a Redis, a Postgres that a daemon fills, and a worker."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import asyncpg
from msgspec.structs import replace

from croupier.transport import Transport
from croupier_schemas.economy import Economy
from croupier_sync.migrations import migrate
from tests.http.support import PULL, Client, running, settings_for, token
from tests.sync.support import Casino

ADMIN_UID = 900
admin = partial(token, ADMIN_UID, role="admin")

PATHS = (
    "/api/admin/operations",
    "/api/admin/pools",
    "/api/admin/odds",
    "/api/admin/players/1",
    "/api/admin/events",
    "/api/admin/sync",
)


@dataclass
class House:
    """A running worker, the casino behind it, and a connection to its Postgres."""

    client: Client
    casino: Casino

    @property
    def postgres(self) -> asyncpg.Connection:
        return self.casino.connection

    async def ask(self, path: str) -> Any:
        """A reply to an operator, which must be a good one."""
        reply = await self.client.get(path, bearer=admin())
        assert reply.status == 200, reply.body
        return reply.json

    async def pull(self, uid: int, count: int = 1, banner: str = "standard") -> Any:
        """A pull over HTTP, which must be a good one."""
        body = {"count": count, "banner": banner}
        reply = await self.client.post(PULL, body, bearer=token(uid))
        assert reply.status == 200, reply.body
        return reply.json

    async def settled(self) -> None:
        """Wait until Postgres has everything."""
        await self.casino.until_caught_up()


def festive(economy: Economy, **stock: int) -> Economy:
    """The economy with other stock in the pools of the festival."""
    banners = dict(economy.gacha.banners)
    banners["festival"] = replace(
        banners["festival"],
        stock=replace(banners["festival"].stock, **stock),
        cost_tokens=banners["standard"].cost_tokens,
    )
    return replace(economy, gacha=replace(economy.gacha, banners=banners))


@contextlib.asynccontextmanager
async def open_house(redis_url: str, database_url: str, **stock: int) -> AsyncIterator[House]:
    """A house whose economy refuses nobody anything; `stock` is that of the festival, by rarity."""
    transport = Transport(redis_url)
    await transport.open()
    connection = await asyncpg.connect(database_url)
    await migrate(connection)
    casino = Casino.of(redis_url, database_url, transport, connection)
    casino.economy = festive(casino.economy, **stock)
    try:
        async with casino.daemon():
            await casino.until_open()
            async with running(settings_for(redis_url, database_url=database_url)) as client:
                yield House(client, casino)
    finally:
        await connection.close()
        await transport.close()
