"""Fixtures of the tests of `croupier load`: workers that run on uvloop, as production does."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest
import uvloop

from tests.http.support import Client, running, settings_for
from tests.load.support import generous_economy


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def client(redis_url: str, tmp_path: Path) -> AsyncIterator[Client]:
    """A client of a worker whose players are never limited."""
    economy = str(generous_economy(tmp_path))
    settings = settings_for(
        redis_url, economy=economy, ws_frames_per_second=0, ws_commands_per_second=0, stranger_rate_per_second=0,
        stranger_rate_per_minute=0,
    )  # fmt: skip
    async with running(settings) as running_client:
        yield running_client
