"""Fixtures for the tests of the client. They run on uvloop, as production does."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
import uvloop

from tests.http.support import Client as Http
from tests.http.support import running, settings_for
from tests.ws.support import House, open_house


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def server(redis_url: str) -> AsyncIterator[Http]:
    """A worker without Postgres that is ready, with the default economy and its limits."""
    async with running(settings_for(redis_url)) as client:
        yield client


@pytest.fixture
async def house(redis_url: str, database_url: str) -> AsyncIterator[House]:
    """A worker with Postgres, and the daemon that carries events there; players are never limited."""
    async with open_house(redis_url, database_url) as opened:
        yield opened
