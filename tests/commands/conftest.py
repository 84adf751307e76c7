"""Fixtures for the tests of commands."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from croupier.settings import Settings
from croupier_schemas.economy import Economy
from tests.commands.economies import economy
from tests.commands.world import SETTINGS, World

pytest.register_assert_rewrite("tests.commands.machine", "tests.commands.audit")

OpenWorld = Callable[..., Awaitable[World]]


@pytest.fixture
async def open_world(redis_url: str) -> AsyncIterator[OpenWorld]:
    """A function that makes the suite's empty Redis a casino with this economy in force."""
    worlds: list[World] = []

    async def opened(economy: Economy, *, epoch: int = 1, settings: Settings = SETTINGS) -> World:
        world = await World.of(redis_url, economy, epoch=epoch, settings=settings)
        worlds.append(world)
        return world

    yield opened
    for world in worlds:
        await world.close()


@pytest.fixture
async def world(open_world: OpenWorld) -> World:
    """A casino whose one banner "main" costs nothing, has no pity, no stock and no daily limit worth mentioning."""
    return await open_world(economy())
