"""Strict commands that find nothing left to do: what they say stands in the log of Postgres before they say it."""

from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from croupier.command import SYSTEM_ROLE, Command
from croupier.crash.bet import BET
from croupier.crash.cashout import CASHOUT
from croupier.crash.settle import SETTLE
from croupier.engine import Engine
from croupier.errors import CroupierError
from croupier.event_log import newest_of
from croupier.sessions.start import START
from croupier_schemas.crash import CrashBet, CrashCashout, CrashSettle
from croupier_schemas.session import SessionStart
from croupier_sync.push import push
from tests.sync.support import PARTITION, Casino, generous_economy, until
from tests.sync.test_strict import caller, strict_engine

Case = tuple[Command[Any, Any, Any], Any, str]
"""A command, its request, and the type of the event by which there is nothing left to do."""


async def _open_session(casino: Casino) -> Case:
    await casino.engine.execute(START, caller(), SessionStart("gacha"))
    return START, SessionStart("gacha"), "session.started"


async def _settled_round(casino: Casino) -> Case:
    """A round that the sweeper has settled."""
    bet = (await casino.engine.execute(BET, caller(), CrashBet(100, 1.01))).reply

    async def settled() -> bool:
        sweeper = caller(role=SYSTEM_ROLE)
        return (await casino.engine.execute(SETTLE, sweeper, CrashSettle(bet.game_id))).reply.settled

    await until(settled, "the end of the round")
    return CASHOUT, CrashCashout(bet.game_id), "crash.settled"


@pytest.mark.parametrize("begin", [_open_session, _settled_round])
async def test_given_nothing_left_to_do_when_asked_strictly_then_what_is_said_is_in_postgres_first(
    casino: Casino, pool: asyncpg.Pool, begin: Callable[[Casino], Awaitable[Case]]
) -> None:
    await casino.have_played()
    command, request, type_ = await begin(casino)
    hurried, patient = strict_engine(casino, pool, 0.1), strict_engine(casino, pool, 20.0)

    with pytest.raises(CroupierError, match="DURABILITY_TIMEOUT"):
        await hurried.execute(command, caller(), request)
    async with casino.daemon():
        reply = (await patient.execute(command, caller(), request)).reply
        held = await casino.connection.fetchval("SELECT count(*) FROM events WHERE type = $1", type_)
    assert held == 1
    assert getattr(reply, "receipt", None) is None


async def test_given_redis_lost_what_was_said_when_the_partition_is_opened_again_then_its_caller_hears_of_it(
    casino: Casino, pool: asyncpg.Pool
) -> None:
    await casino.have_played()
    await casino.engine.execute(START, caller(), SessionStart("gacha"))
    engine, op = strict_engine(casino, pool, 20.0), caller()
    await casino.connection.execute(
        "UPDATE partitions SET epoch = epoch + 1, seq = 0, taken_epoch = taken_epoch + 1"
    )

    with pytest.raises(CroupierError, match="NOT_APPLIED"):
        await engine.execute(START, op, SessionStart("gacha"))
    assert engine.doubts.epoch(PARTITION, op.op_id) == 1


async def _pushed(casino: Casino) -> None:
    await push(casino.transport, casino.connection, generous_economy(10**8))


async def _connected_again(casino: Casino) -> None:
    casino.transport.reconnect("the test says so")

    async def connected() -> bool:
        return casino.transport.connection_number == 2

    await until(connected, "the connection")


async def _disconnected(casino: Casino) -> None:
    casino.transport.reconnect("the test says so")


@pytest.mark.parametrize("happens", [_pushed, _connected_again, _disconnected])
async def test_given_another_log_than_the_scripts_when_its_newest_event_is_looked_for_then_none_is_found(
    casino: Casino, happens: Callable[[Casino], Awaitable[None]]
) -> None:
    await casino.have_played()
    engine: Engine = casino.engine
    view = await engine.views.believed(PARTITION)
    newest = await newest_of(engine, view)
    assert newest == (await casino.log())[-1]

    await happens(casino)
    assert await newest_of(engine, view) is None
