"""Fixtures for the tests of the WebSockets. They run on uvloop, as production does."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
import uvloop

from tests.http.support import Client, running, settings_for
from tests.ws.support import UNLIMITED, House, open_house


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Client]:
    """A client of a worker without Postgres that is ready."""
    async with running(settings_for(redis_url, **UNLIMITED)) as running_client:
        yield running_client


@pytest.fixture
async def house(redis_url: str, database_url: str) -> AsyncIterator[House]:
    """A worker with Postgres, and the daemon that carries events there."""
    async with open_house(redis_url, database_url) as opened:
        yield opened
