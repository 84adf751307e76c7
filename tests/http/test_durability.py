"""A command that must be in Postgres before it is answered, over HTTP."""

import asyncpg
import pytest

from croupier.economy import load_economy
from croupier.scripts import Scripts
from croupier.standalone import open_without_postgres
from croupier.transport import Transport
from croupier_sync.migrations import migrate
from tests.http.support import PULL, ROTATE, assert_is_error, running, settings_for


@pytest.fixture
async def open_partition(redis_url: str) -> None:
    transport = Transport(redis_url)
    await transport.open()
    await open_without_postgres(transport, Scripts(), load_economy())
    await transport.close()


@pytest.mark.usefixtures("open_partition")
async def test_given_a_postgres_that_nobody_fills_when_rotating_then_503_and_the_same_key_waits_again(
    redis_url: str, database_url: str
) -> None:
    connection = await asyncpg.connect(database_url)
    await migrate(connection)
    await connection.close()
    settings = settings_for(redis_url, database_url=database_url, durability_timeout_seconds=0.1)
    async with running(settings) as client:
        assert (await client.post(PULL)).status == 200

        for _ in range(2):
            reply = await client.post(ROTATE, key="rotation")
            body = assert_is_error(reply, 503, "DURABILITY_TIMEOUT")
            assert "revealed" not in body
            assert int(reply.headers["Retry-After"]) >= 1
