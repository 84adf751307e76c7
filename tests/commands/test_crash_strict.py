"""`CRASH_DB_STRICT`: a bet and a cash-out are answered only when a real Postgres has them."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from croupier.command import Caller
from croupier.crash.bet import BET
from croupier.crash.cashout import CASHOUT
from croupier.durability import Durability
from croupier.engine import Engine
from croupier.errors import CroupierError
from croupier.settings import Settings
from croupier.transport import Transport
from croupier_schemas.crash import CrashBet, CrashCashout
from croupier_sync.migrations import migrate
from tests.commands.world import encoded
from tests.sync.support import MASTER_KEYS, Casino


@pytest.fixture
async def casino(redis_url: str, database_url: str) -> AsyncIterator[Casino]:
    """A partition that was opened and is empty; no daemon runs."""
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


@pytest.fixture
async def pool(casino: Casino) -> AsyncIterator[asyncpg.Pool]:
    pool = await asyncpg.create_pool(casino.database_url, min_size=1, max_size=2)
    yield pool
    await pool.close()


def engine_of(casino: Casino, pool: asyncpg.Pool, timeout_s: float, *, strict: bool = True) -> Engine:
    settings = Settings(master_keys=MASTER_KEYS, crash_db_strict=strict)
    return Engine(casino.transport, settings, Durability(pool, timeout_s))


def asked(key: str = "") -> Caller:
    made = (2**41).to_bytes(6, "big")  # later than any clock, so that no attempt's time is over
    return Caller(1, "VIP", "user", made + secrets.token_bytes(10), key)


async def held(casino: Casino, type_: str) -> int:
    count: int = await casino.connection.fetchval("SELECT count(*) FROM events WHERE type = $1", type_)
    return count


async def timed_out(attempt: Any) -> None:
    with pytest.raises(CroupierError, match="DURABILITY_TIMEOUT"):
        await attempt


async def test_given_no_daemon_when_a_strict_bet_is_placed_then_it_is_not_answered_until_postgres_has_it(
    casino: Casino, pool: asyncpg.Pool
) -> None:
    hurried, patient = engine_of(casino, pool, 0.1), engine_of(casino, pool, 20.0)
    request = CrashBet(1_000, 2.0)
    for _ in range(2):  # a replay waits too
        await timed_out(hurried.execute(BET, asked("order-1"), request))
    assert await held(casino, "crash.bet_placed") == 0

    waiting = asyncio.create_task(patient.execute(BET, asked("order-1"), request))
    async with casino.daemon():
        reply = (await waiting).reply
    assert await held(casino, "crash.bet_placed") == 1

    await timed_out(hurried.execute(CASHOUT, asked("order-2"), CrashCashout(reply.game_id)))
    assert await held(casino, "crash.settled") == 0
    async with casino.daemon():
        first = await patient.execute(CASHOUT, asked("order-2"), CrashCashout(reply.game_id))
        assert first.replayed and await held(casino, "crash.settled") == 1
        again = await patient.execute(CASHOUT, asked("order-2"), CrashCashout(reply.game_id))
    assert encoded(again.reply) == encoded(first.reply)


async def test_given_the_default_when_nothing_fills_postgres_then_bets_and_cash_outs_are_answered_all_the_same(
    casino: Casino, pool: asyncpg.Pool
) -> None:
    engine = engine_of(casino, pool, 0.1, strict=False)

    game = (await engine.execute(BET, asked(), CrashBet(1_000))).reply
    await engine.execute(CASHOUT, asked(), CrashCashout(game.game_id))

    assert await held(casino, "crash.bet_placed") == 0
