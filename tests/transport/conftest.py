"""Fixtures for the transport's tests: servers, a proxy before one of them, transports closed afterwards.

Every test runs on uvloop, which production uses, and on asyncio's own event loop.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import redis
import uvloop

from croupier.transport import Transport
from croupier_cli.embedded import Valkey
from tests.redis_server import administrator, administrator_url
from tests.transport.own_server import OwnServer
from tests.transport.proxy import Proxy
from tests.transport.support import Connect


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}


@pytest.fixture
def redis_url(redis_url: str) -> str:
    """The administrator's URL: the transport carries any command, and these tests send it what Croupier never does."""
    return administrator_url(redis_url)


@pytest.fixture
def control(valkey: Valkey, redis_url: str) -> Iterator[redis.Redis]:
    """A client of the suite's empty Valkey that owes nothing to the transport."""
    with administrator(redis_url) as client:
        yield client


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[OwnServer]:
    server = OwnServer(tmp_path)
    server.start()
    yield server
    server.kill()


@pytest.fixture
async def proxy(valkey: Valkey, redis_url: str) -> AsyncIterator[Proxy]:
    """A proxy in front of the suite's empty Valkey."""
    async with Proxy(str(valkey.socket_path)) as running:
        running.url = administrator_url(running.url)
        yield running


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """A function like `Transport` that opens what it makes. All are closed after the test."""
    transports: list[Transport] = []

    async def connected(url: str, **options: Any) -> Transport:
        transport = Transport(url, **options)
        transports.append(transport)
        await transport.open()
        return transport

    yield connected
    for transport in transports:
        await transport.close(drain_s=0.0)
