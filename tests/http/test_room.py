"""Backpressure: what begins something is refused before Redis is full, what ends something goes on, and it recovers."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import asyncpg
import pytest
import redis

from croupier.transport import Transport
from croupier_sync.migrations import migrate
from tests.http.support import PULL, Client, assert_is_error, running, settings_for, token, until
from tests.sync.support import Casino

BET, CASHOUT = "/api/games/crash/bet", "/api/games/crash/cashout"
START, END = "/api/games/session/start", "/api/games/session/end"
LIMIT = 50
UNLIMITED = {"stranger_rate_per_second": 0, "stranger_rate_per_minute": 0}


@pytest.fixture
async def casino(redis_url: str, database_url: str) -> AsyncIterator[Casino]:
    """A partition that was opened, in an economy without limits; no daemon runs."""
    transport = Transport(redis_url)
    await transport.open()
    connection = await asyncpg.connect(database_url)
    await migrate(connection)
    casino = Casino.of(redis_url, database_url, transport, connection)
    async with casino.daemon():
        await casino.until_open()
        await casino.until_caught_up()
    yield casino
    await connection.close()
    await transport.close()


async def gauge(client: Client, name: str) -> float:
    text = (await client.get("/metrics")).body.decode()
    return next(float(line.split(" ")[1]) for line in text.splitlines() if line.startswith(name))


async def until_full(client: Client, full: bool) -> None:
    async def is_so() -> bool:
        return await gauge(client, "room_for_commands") == (0.0 if full else 1.0)

    await until(is_so, "room to be " + ("gone" if full else "there again"))


async def begin(client: Client) -> tuple[Any, Any]:
    """A bet and a session, both open."""
    bet = await client.post(BET, {"bet_amount": 100}, key="bet")
    session = await client.post(START, {"game_type": "slot"})
    assert (bet.status, session.status) == (200, 200)
    return bet.json, session.json


async def require_only_ends_go_on(client: Client, bet: Any, session: Any) -> None:
    """What begins is refused with nothing done; first replies are repeated; what ends something is done."""
    for path, body in (
        (PULL, None),
        (BET, {"bet_amount": 100}),
        ("/api/games/slot/spin", {"bet_amount": 100}),
        (START, {"game_type": "gacha"}),
    ):
        reply = await client.post(path, body, bearer=token(7))
        assert_is_error(reply, 503, "OVERLOADED")
        assert int(reply.headers["Retry-After"]) >= 1
    again = await client.post(BET, {"bet_amount": 100}, key="bet")
    assert (again.status, again.json) == (200, bet)
    ready = (await client.get("/ready")).json
    assert (ready["status"], ready["failed"]) == ("degraded", ["room"])
    assert (await client.post(CASHOUT, {"game_id": bet["game_id"]})).status == 200
    assert (await client.post(END, {"session_id": session["session_id"]})).status == 200


async def test_given_postgres_too_far_behind_when_players_go_on_then_only_ends_are_taken_until_it_has_caught_up(
    casino: Casino,
) -> None:
    settings = settings_for(casino.redis_url, database_url=casino.database_url, outbox_max=LIMIT, **UNLIMITED)
    async with running(settings) as client:
        bet, session = await begin(client)
        for uid in range(1, LIMIT):
            await casino.pull(uid)
        await until_full(client, True)
        behind = await gauge(client, "sync_lag_events")
        assert behind >= LIMIT
        assert await gauge(client, "outbox_length") >= behind

        before = await casino.last_entry()
        await require_only_ends_go_on(client, bet, session)
        after = await casino.last_entry()
        assert before is not None and after is not None
        # The session's end, and the cash-out, unless the round had crashed by itself before.
        assert after[0] == before[0] and before[1] < after[1] <= before[1] + 2
        assert await gauge(client, "sync_lag_seconds") > 0

        async with casino.daemon():
            await until_full(client, False)
            assert (await client.post(PULL, bearer=token(7))).status == 200
            await casino.until_caught_up()
    await casino.require_events_are(await casino.log())


@contextlib.contextmanager
def nearly_full(redis_url: str) -> Iterator[None]:
    """Redis uses 95 % of what it may."""
    with redis.Redis.from_url(redis_url) as client:
        client.config_set("maxmemory", int(client.info("memory")["used_memory"] / 0.95))
        try:
            yield
        finally:
            client.config_set("maxmemory", 0)


async def test_given_a_redis_nearly_full_when_players_go_on_then_only_ends_are_taken_until_there_is_memory(
    casino: Casino,
) -> None:
    settings = settings_for(casino.redis_url, database_url=casino.database_url, **UNLIMITED)
    async with running(settings) as client:
        bet, session = await begin(client)
        with nearly_full(casino.redis_url):
            await until_full(client, True)
            assert 0.9 < await gauge(client, "redis_memory_used_ratio") < 1
            await require_only_ends_go_on(client, bet, session)
        await until_full(client, False)
        assert (await client.post(PULL, bearer=token(7))).status == 200


async def test_given_a_postgres_that_goes_away_when_it_was_heard_before_then_what_it_lacks_is_still_counted(
    casino: Casino,
) -> None:
    pool = await asyncpg.create_pool(casino.database_url, min_size=1, max_size=1)
    room = casino.engine.room
    await room.measure(pool)
    assert room.measured.behind == 0
    await pool.close()
    for uid in range(1, LIMIT + 1):
        await casino.pull(uid)
    await room.measure(pool)
    assert room.measured.behind == LIMIT
    assert room.measured.outbox == LIMIT + 2
