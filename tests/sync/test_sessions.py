"""Ending a session again, where Postgres has to remember that it was ended."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import msgspec
import pytest

from croupier.command import Caller, Outcome
from croupier.durability import Durability
from croupier.engine import Engine
from croupier.errors import CroupierError
from croupier.gacha.pull import PULL
from croupier.op_id import OpIds
from croupier.sessions.end import END
from croupier.sessions.start import START
from croupier_schemas import keys
from croupier_schemas.gacha import GachaPull
from croupier_schemas.session import SessionEnd, SessionEndReply, SessionStart
from tests.sync.support import PARTITION, Casino

ME = 1


@pytest.fixture
async def engine(casino: Casino, database_url: str) -> AsyncIterator[Engine]:
    """The engine of a server with Postgres; the partition is open."""
    async with casino.daemon():
        await casino.until_open()
    async with asyncpg.create_pool(database_url, min_size=1, max_size=2) as pool:
        yield Engine(casino.transport, casino.engine.settings, Durability(pool, timeout_s=5.0))


async def _give(engine: Engine, command: Any, request: msgspec.Struct) -> Outcome[Any]:
    asked = Caller(ME, "STANDARD", "user", OpIds(engine.now_ms).new())
    return await engine.execute(command, asked, request)


async def _ended(engine: Engine) -> SessionEndReply:
    """A session with one pull, ended."""
    opened = (await _give(engine, START, SessionStart("gacha"))).reply
    await _give(engine, PULL, GachaPull())
    reply = (await _give(engine, END, SessionEnd(opened.session_id))).reply
    assert isinstance(reply, SessionEndReply)
    return reply


@pytest.mark.parametrize("lost", ["key", "everything"])
async def test_given_an_end_that_postgres_has_when_redis_has_lost_it_then_ending_again_repeats_the_reply(
    casino: Casino, engine: Engine, lost: str
) -> None:
    first = await _ended(engine)
    async with casino.daemon():
        await casino.until_caught_up()
    gone = [keys.idempotency(PARTITION, ME, f"session.end {first.session_id}")]
    if lost == "everything":
        gone += [keys.player(PARTITION, ME), keys.session(PARTITION, ME, "gacha")]
    assert await casino.transport.call("DEL", *gone) == len(gone)
    before = await casino.log()

    again = await _give(engine, END, SessionEnd(first.session_id))

    assert msgspec.json.encode(again.reply) == msgspec.json.encode(first) and again.replayed
    assert await casino.log() == before


async def test_given_an_end_when_the_daemon_follows_then_the_row_is_the_reply(
    casino: Casino, engine: Engine
) -> None:
    first = await _ended(engine)
    async with casino.daemon():
        await casino.until_caught_up()

    row = await casino.connection.fetchrow("SELECT * FROM game_sessions")

    assert (row["session_id"], row["uid"], row["game_type"]) == (first.session_id, ME, "gacha")
    result = first.result_data
    assert (row["rounds"], row["bet"], row["win"]) == (result.rounds, result.total_bet, result.total_win)
    assert int((row["ended_at"] - row["started_at"]).total_seconds()) == result.duration


async def test_given_an_id_that_no_session_has_when_ended_then_postgres_does_not_know_it_either(
    engine: Engine,
) -> None:
    with pytest.raises(CroupierError) as refused:
        await _give(engine, END, SessionEnd("gacha-" + 32 * "0"))
    assert refused.value.code == "SESSION_NOT_FOUND"
