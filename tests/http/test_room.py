"""Backpressure: what begins something is refused before Redis is full, what ends something goes on, and it recovers."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import asyncpg
import pytest

from croupier.transport import Transport
from croupier_schemas import keys
from croupier_sync.migrations import migrate
from tests.http.support import PULL, Client, assert_is_error, running, settings_for, token, until
from tests.redis_server import administrator
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
def filled(redis_url: str, percent: int) -> Iterator[None]:
    """Redis uses so much of what it may: of enough megabytes that the buffers of a few connections do not count."""
    with administrator(redis_url) as client:
        # Not sent: a client's buffer counts too, and would be gone again after the measurement.
        client.setrange("filler", 20_000_000, "x")
        client.config_set("maxmemory", client.info("memory")["used_memory"] * 100 // percent)
        try:
            yield
        finally:
            client.config_set("maxmemory", 0)
            client.delete("filler")


@pytest.mark.parametrize("percent", [95, 105])
async def test_given_a_redis_nearly_or_over_full_when_players_go_on_then_only_ends_are_taken_until_there_is_memory(
    casino: Casino, percent: int
) -> None:
    settings = settings_for(casino.redis_url, database_url=casino.database_url, **UNLIMITED)
    async with running(settings) as client:
        bet, session = await begin(client)
        with filled(casino.redis_url, percent):
            await until_full(client, True)
            assert percent - 2 < 100 * await gauge(client, "redis_memory_used_ratio") < percent + 2
            await require_only_ends_go_on(client, bet, session)
        await until_full(client, False)
        assert (await client.post(PULL, bearer=token(7))).status == 200


async def test_given_a_redis_over_full_when_a_round_ends_then_the_sweeper_settles_it(casino: Casino) -> None:
    settings = settings_for(casino.redis_url, database_url=casino.database_url, **UNLIMITED)
    async with running(settings) as client:
        # Some seconds, so that it is not over before there is no memory.
        bet = await client.post(BET, {"bet_amount": 100, "auto_cashout": 1.2})
        assert bet.status == 200
        with filled(casino.redis_url, 105):

            async def is_settled() -> bool:
                return not (await client.get("/api/games/crash/debug/current")).json["available"]

            await until(is_settled, "the sweeper to settle the round")


@pytest.mark.parametrize("lost", [False, True])
async def test_given_a_redis_over_full_when_it_is_back_then_it_is_opened_or_healed_all_the_same(
    casino: Casino, lost: bool
) -> None:
    async with casino.daemon():
        await casino.pull(1)
        await casino.pull(2)
        await casino.until_caught_up()
    if lost:
        last = (await casino.log())[-1]
        await casino.administer("XDEL", await casino.stream(), last.id.entry)
        await casino.transport.call("DEL", keys.player(0, 2))
    await casino.pretend_restart()

    with filled(casino.redis_url, 105):
        async with casino.daemon():
            assert (await casino.until_open()).epoch > 1
            await casino.until_caught_up()
            await casino.require_mirror()


async def test_given_no_postgres_and_a_redis_over_full_when_a_strict_round_ends_then_it_is_not_said_to_be_on_disk(
    redis_url: str,
) -> None:
    async with running(settings_for(redis_url, crash_db_strict=True, **UNLIMITED)) as client:
        bet = (await client.post(BET, {"bet_amount": 100})).json
        body = {"game_id": bet["game_id"]}
        with filled(redis_url, 105):
            assert_is_error(await client.post(CASHOUT, body, key="out"), 503, "DURABILITY_TIMEOUT")
        again = await client.post(CASHOUT, body, key="out")
        assert (again.status, again.headers["Idempotent-Replayed"]) == (200, "true")


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
