"""A Postgres whose sessions stand still: no question waits for them longer than it has time."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from croupier import event_log, ops
from croupier.durability import Durability
from croupier.errors import CroupierError
from croupier.postgres import fetch
from croupier.query import Sources
from croupier_schemas.events import EventId
from tests.sync.asked import ask, pull
from tests.sync.support import DEADLINE_S, PARTITION, Casino
from tests.sync.test_strict import _INSERT, OURS

SESSIONS = 2


@pytest.fixture
async def two(database_url: str) -> AsyncIterator[asyncpg.Pool]:
    """A pool without a time limit of its own."""
    pool = await asyncpg.create_pool(database_url, min_size=SESSIONS, max_size=SESSIONS)
    yield pool
    pool.terminate()


@asynccontextmanager
async def frozen(pool: asyncpg.Pool, count: int) -> AsyncIterator[None]:
    """So many sessions of the pool, those that it gives out first, answer nothing during the block."""
    held = [await pool.acquire() for _ in range(count)]
    backends = [connection.get_server_pid() for connection in held]
    for connection in reversed(held):
        await pool.release(connection)
    for backend in backends:
        os.kill(backend, signal.SIGSTOP)
    try:
        yield
    finally:
        for backend in backends:
            os.kill(backend, signal.SIGCONT)


async def test_given_a_session_that_stands_still_when_it_is_asked_for_events_then_another_answers_in_time(
    casino: Casino, two: asyncpg.Pool
) -> None:
    durability = Durability(two, timeout_s=4.0)
    for seq in range(5, 8):
        await casino.connection.execute(_INSERT, PARTITION, 1, seq, OURS)

    async with frozen(two, 1), asyncio.timeout(DEADLINE_S):
        waits = (durability.wait(EventId(PARTITION, 1, seq), OURS) for seq in range(5, 8))
        await asyncio.gather(*waits)


async def test_given_all_sessions_stand_still_when_asked_for_what_is_done_once_then_nobody_waits_for_ever(
    casino: Casino, two: asyncpg.Pool
) -> None:
    durability = Durability(two, timeout_s=0.5)
    async with frozen(two, SESSIONS), asyncio.timeout(DEADLINE_S):
        answers = await asyncio.gather(
            *(durability.first(1, f"key {number}") for number in range(50)), return_exceptions=True
        )
    # Who came later than the sessions were given up was answered by new ones.
    assert {answer.code if isinstance(answer, CroupierError) else answer for answer in answers} <= {
        "NOT_READY",
        None,
    }


async def test_given_all_connections_are_taken_when_asked_then_the_wait_for_one_is_within_the_time(
    two: asyncpg.Pool,
) -> None:
    held = [await two.acquire() for _ in range(SESSIONS)]
    async with asyncio.timeout(DEADLINE_S):
        with pytest.raises(TimeoutError):
            await fetch(two, "SELECT 1", timeout_s=0.1)
    for connection in held:
        await two.release(connection)
    assert len(await fetch(two, "SELECT 1", timeout_s=DEADLINE_S)) == 1


async def test_given_all_sessions_stand_still_when_asked_for_an_attempt_or_an_event_then_it_is_answered(
    casino: Casino, two: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    await casino.have_played()
    op_id = await pull(casino)
    monkeypatch.setattr(ops, "QUERY_TIMEOUT_S", 0.2)
    monkeypatch.setattr(event_log, "QUERY_TIMEOUT_S", 0.2)
    sources = Sources(casino.engine, two)

    async with frozen(two, SESSIONS), asyncio.timeout(DEADLINE_S):
        reply = await ask(sources, op_id)  # asks twice
    assert (reply.outcome, reply.durable) == ("applied", None)
    async with frozen(two, SESSIONS), asyncio.timeout(DEADLINE_S):
        with pytest.raises(CroupierError, match="NOT_READY"):
            await event_log.find_event(sources, EventId(PARTITION, 1, 0))
