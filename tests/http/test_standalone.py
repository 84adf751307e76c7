"""Partitions on a server without Postgres, and what is asked of a Redis before it is used."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec.structs import replace

from croupier.economy import canonical, load_economy, version
from croupier.partition import Head, push_economy, read_head
from croupier.scripts import Scripts
from croupier.standalone import BelongsToPostgres, open_without_postgres, own_head
from croupier.transport import Transport
from croupier_http.checks import RedisUnsuitable, check_redis
from croupier_schemas import keys
from tests.http.support import dump
from tests.redis_server import administrator

SCRIPTS = Scripts()
ECONOMY = load_economy()


@pytest.fixture
async def transport(redis_url: str) -> AsyncIterator[Transport]:
    transport = Transport(redis_url)
    await transport.open()
    yield transport
    await transport.close()


async def head_of(transport: Transport) -> Head:
    head = await read_head(transport, 0)
    assert head is not None
    return head


async def entries(transport: Transport) -> list[Any]:
    """The events of the open outbox."""
    found = await transport.call("XRANGE", keys.outbox(0, (await head_of(transport)).fence), "-", "+")
    assert isinstance(found, list)
    return found


async def test_given_an_empty_redis_when_many_open_it_at_once_then_there_is_one_epoch_and_one_economy(
    transport: Transport,
) -> None:
    await asyncio.gather(*(open_without_postgres(transport, SCRIPTS, ECONOMY) for _ in range(10)))

    head = await head_of(transport)
    assert (head.epoch, head.economy) == (1, version(ECONOMY))
    assert head == await own_head(transport)
    assert head.identity == str(transport.identity)
    assert len(await entries(transport)) == 2


async def test_given_an_open_partition_when_opened_again_then_nothing_changes(
    transport: Transport, redis_url: str
) -> None:
    await open_without_postgres(transport, SCRIPTS, ECONOMY)
    state = dump(redis_url)

    await open_without_postgres(transport, SCRIPTS, replace(ECONOMY, initial_tokens=1))

    assert dump(redis_url) == state


async def test_given_a_head_of_another_server_when_opened_then_the_next_epoch_begins_and_the_events_stay(
    transport: Transport, redis_url: str
) -> None:
    await open_without_postgres(transport, SCRIPTS, ECONOMY)
    other = replace(ECONOMY, initial_tokens=1)
    await push_economy(
        transport, SCRIPTS, 0, economy=other, version=version(other), canonical=canonical(other)
    )
    before = await entries(transport)
    with administrator(redis_url) as plain:
        plain.hset(keys.head(0), "identity", "of:another")

    await open_without_postgres(transport, SCRIPTS, ECONOMY)

    head = await head_of(transport)
    assert (head.epoch, head.economy) == (2, version(other))
    assert head.identity == str(transport.identity)
    after = await entries(transport)
    assert after[:-1] == before
    assert after[-1][0] == b"2-0"


async def test_given_a_partition_closed_halfway_when_opened_then_it_is_finished(
    transport: Transport, redis_url: str
) -> None:
    await open_without_postgres(transport, SCRIPTS, ECONOMY)
    head = await head_of(transport)
    with administrator(redis_url) as plain:
        plain.hset(keys.head(0), "fence", "")
        plain.rename(keys.outbox(0, head.fence), keys.outbox_closed(0))

    await open_without_postgres(transport, SCRIPTS, ECONOMY)

    assert (await head_of(transport)).epoch == 2


@pytest.mark.parametrize("fence", ["", None])
async def test_given_a_partition_of_a_postgres_when_opened_then_refused_and_nothing_changes(
    transport: Transport, redis_url: str, fence: str | None
) -> None:
    await open_without_postgres(transport, SCRIPTS, ECONOMY)
    with administrator(redis_url) as plain:
        plain.hset(keys.head(0), "installation", "some-postgres")
        if fence is not None:
            plain.hset(keys.head(0), "fence", fence)
    state = dump(redis_url)

    with pytest.raises(BelongsToPostgres, match="DATABASE_URL"):
        await open_without_postgres(transport, SCRIPTS, ECONOMY)

    assert dump(redis_url) == state


@pytest.mark.parametrize(
    ("name", "number"), [("redis", "7.0.15"), ("redis", "8.2.1"), ("valkey", "7.2.0"), ("valkey", "10.0.0")]
)
async def test_given_a_new_enough_redis_when_checked_then_it_passes(
    transport: Transport, monkeypatch: pytest.MonkeyPatch, name: str, number: str
) -> None:
    assert transport.server is not None
    monkeypatch.setattr(transport, "_server", replace(transport.server, name=name, version=number))

    await check_redis(transport)


@pytest.mark.parametrize(("name", "number"), [("redis", "6.2.14"), ("redis", "5.0"), ("valkey", "7.0.9")])
async def test_given_a_redis_too_old_when_checked_then_one_line_says_what_is_needed(
    transport: Transport, monkeypatch: pytest.MonkeyPatch, name: str, number: str
) -> None:
    assert transport.server is not None
    monkeypatch.setattr(transport, "_server", replace(transport.server, name=name, version=number))

    with pytest.raises(RedisUnsuitable) as caught:
        await check_redis(transport)

    message = str(caught.value)
    assert f"{name} {number}" in message
    assert "redis 7.0 or valkey 7.2" in message
    assert "\n" not in message


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
async def test_given_an_evicting_redis_when_checked_then_one_line_says_what_to_do(
    transport: Transport, redis_url: str, policy: str
) -> None:
    with administrator(redis_url) as plain:
        plain.config_set("maxmemory-policy", policy)
        try:
            with pytest.raises(RedisUnsuitable, match=f"is {policy}, and must be noeviction"):
                await check_redis(transport)
        finally:
            plain.config_set("maxmemory-policy", "noeviction")
