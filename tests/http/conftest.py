"""Fixtures for the tests of the HTTP server. They run on uvloop, as production does."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
import uvloop

from tests.http.support import Client, running, settings_for


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Client]:
    """A client of a worker without Postgres that is ready."""
    async with running(settings_for(redis_url)) as running_client:
        yield running_client
