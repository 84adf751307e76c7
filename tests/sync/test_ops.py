"""What became of an attempt, where Postgres takes what the outbox holds: nothing slips through between the two."""

import itertools
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest
from msgspec.structs import replace

from croupier import ops
from croupier.command import Caller
from croupier.gacha.pull import PULL
from croupier.op_id import OpIds
from croupier.query import Sources
from croupier.transport import Transport
from croupier_schemas.gacha import GachaPull
from croupier_sync.limits import Limits
from croupier_sync.position import read_position, take_epoch
from croupier_sync.push import push
from tests.sync.asked import ME, ask, new_op, pull
from tests.sync.support import OTHER_SERVER, PARTITION, Casino, generous_economy, until

TRIM_AT_ONCE = Limits(outbox_kept=1)


@pytest.fixture(autouse=True)
def time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """The question takes every attempt made so far for one that can no longer run."""
    monkeypatch.setattr(ops, "OP_LIFETIME_MS", -60_000)


@pytest.fixture
async def played(casino: Casino) -> Casino:
    """A casino whose events so far are in Postgres; no daemon runs."""
    await casino.have_played()
    await age(casino)
    return casino


async def age(casino: Casino) -> None:
    """The last event in Postgres is from long ago, so that its time shows nothing."""
    await casino.connection.execute("UPDATE partitions SET ts_ms = 0")


async def follow(casino: Casino, limits: Limits = TRIM_AT_ONCE) -> None:
    """A daemon takes all there is, and trims it."""
    async with casino.daemon(limits):
        await casino.until_caught_up()


Interrupt = Callable[[int, str, Callable[[], Awaitable[Any]]], None]
_ROW = ops._row


@pytest.fixture
def interrupt(monkeypatch: pytest.MonkeyPatch) -> Interrupt:
    """Let something happen right before or after the n-th question to Postgres from now on; they count from 0."""

    def at(query: int, moment: str, action: Callable[[], Awaitable[Any]]) -> None:
        queries = itertools.count()

        async def row(*arguments: Any) -> Any:
            now = next(queries) == query
            if now and moment == "before":
                await action()
            row = await _ROW(*arguments)
            if now and moment == "after":
                await action()
            return row

        monkeypatch.setattr(ops, "_row", row)

    return at


MOMENTS = pytest.mark.parametrize(
    ("query", "moment"), [(0, "before"), (0, "after"), (1, "before"), (1, "after")]
)


async def test_given_a_pull_when_the_daemon_has_taken_and_trimmed_it_then_it_is_applied_and_durable(
    played: Casino, pool: asyncpg.Pool
) -> None:
    op_id = await pull(played)
    event = (await played.log())[-1]
    sources = Sources(played.engine, pool)

    in_outbox = await ask(sources, op_id)
    await pull(played)
    await follow(played)
    in_postgres = await ask(sources, op_id)

    assert op_id not in [event.header.op_id for event in await played.log()]
    for reply in (in_outbox, in_postgres):
        assert (reply.outcome, reply.event_id, reply.type) == ("applied", str(event.id), "gacha.pulled")
    assert (in_outbox.durable, in_postgres.durable) == (False, True)


@MOMENTS
async def test_given_the_daemon_takes_and_trims_between_two_looks_when_asked_then_it_is_found_all_the_same(
    played: Casino, pool: asyncpg.Pool, interrupt: Interrupt, query: int, moment: str
) -> None:
    op_id = await pull(played)
    await pull(played)

    async def taken() -> None:
        await follow(played)
        await age(played)

    interrupt(query, moment, taken)
    reply = await ask(Sources(played.engine, pool), op_id)

    assert reply.outcome == "applied"


@MOMENTS
async def test_given_a_push_between_two_looks_when_asked_then_neither_answer_is_wrong(
    played: Casino, pool: asyncpg.Pool, interrupt: Interrupt, query: int, moment: str
) -> None:
    op_id, never_sent = await pull(played), new_op(played)
    tokens = iter((2, 3))

    async def pushed() -> None:
        economy = replace(generous_economy(), initial_tokens=next(tokens))
        await push(played.transport, played.connection, economy)

    for asked, outcome in ((op_id, "applied"), (never_sent, "not_applied")):
        interrupt(query, moment, pushed)
        assert (await ask(Sources(played.engine, pool), asked)).outcome == outcome


async def test_given_an_attempt_runs_and_its_time_ends_during_the_looks_when_asked_then_not_applied_is_not_said(
    played: Casino, pool: asyncpg.Pool, interrupt: Interrupt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ops, "OP_LIFETIME_MS", 0)
    over_ms = played.engine.now_ms() + 2_000
    op_id = OpIds(lambda: over_ms).new()

    async def is_over() -> bool:
        time: Any = await played.transport.call("TIME")
        return int(time[0]) * 1000 + int(time[1]) // 1000 > over_ms

    async def run() -> None:
        await played.engine.execute(PULL, Caller(ME, "VIP", "user", op_id), GachaPull(1, "standard", False))
        await until(is_over, "the end of the attempt's time")

    interrupt(1, "after", run)
    reply = await ask(Sources(played.engine, pool), op_id)

    assert reply.outcome == "unknown"
    assert (await ask(Sources(played.engine, pool), op_id)).outcome == "applied"


async def test_given_an_attempt_that_never_arrived_when_asked_then_it_was_not_applied(
    played: Casino, pool: asyncpg.Pool
) -> None:
    await pull(played)

    assert (await ask(Sources(played.engine, pool), new_op(played))).outcome == "not_applied"


async def test_given_postgres_is_away_when_asked_then_only_what_the_outbox_has_is_known(
    played: Casino, database_url: str
) -> None:
    op_id = await pull(played)
    closed = await asyncpg.create_pool(database_url, min_size=0)
    await closed.close()
    sources = Sources(played.engine, closed)

    reply = await ask(sources, op_id)
    assert (reply.outcome, reply.durable) == ("applied", None)
    assert (await ask(sources, new_op(played))).outcome == "unknown"


async def test_given_redis_is_away_when_asked_then_only_what_postgres_has_is_known(
    played: Casino, pool: asyncpg.Pool
) -> None:
    durable = await pull(played)
    await follow(played)
    await age(played)
    in_outbox = await pull(played)
    away = Transport(played.redis_url)
    await away.open()
    played.engine.transport = away
    await away.close()
    sources = Sources(played.engine, pool)

    reply = await ask(sources, durable)
    assert (reply.outcome, reply.durable) == ("applied", True)
    for op_id in (in_outbox, new_op(played)):
        assert (await ask(sources, op_id)).outcome == "unknown"


@pytest.mark.parametrize("query", [0, 1])
async def test_given_another_connection_between_two_looks_when_asked_then_nothing_can_be_ruled_out(
    played: Casino, pool: asyncpg.Pool, interrupt: Interrupt, query: int
) -> None:
    transport = played.transport

    async def connected_again() -> bool:
        return transport.connection_number == 2 and transport.identity is not None

    async def reconnected() -> None:
        transport.reconnect("the test says so")
        await until(connected_again, "the connection")

    interrupt(query, "after", reconnected)
    reply = await ask(Sources(played.engine, pool), new_op(played))

    assert reply.outcome == "unknown"


async def test_given_another_server_has_the_next_epoch_when_asked_then_this_ones_outbox_proves_nothing(
    played: Casino, pool: asyncpg.Pool
) -> None:
    op_id = await pull(played)
    await take_epoch(played.connection, await read_position(played.connection, PARTITION), OTHER_SERVER)
    sources = Sources(played.engine, pool)

    assert (await ask(sources, op_id)).outcome == "unknown"
    assert (await ask(sources, new_op(played))).outcome == "unknown"


@pytest.mark.parametrize("change", ["op_id = '\\x00'", "seq = seq + 1", "seq = seq - 1"])
async def test_given_an_outbox_that_does_not_fit_postgres_when_asked_then_nothing_can_be_ruled_out(
    played: Casino, pool: asyncpg.Pool, change: str
) -> None:
    await played.connection.execute(f"UPDATE partitions SET {change}")

    assert (await ask(Sources(played.engine, pool), new_op(played))).outcome == "unknown"


async def test_given_nothing_taken_yet_when_asked_then_the_whole_outbox_answers(
    played: Casino, pool: asyncpg.Pool
) -> None:
    op_id = await pull(played)
    await played.connection.execute(
        "UPDATE partitions SET epoch = NULL, seq = NULL, op_id = NULL, ts_ms = NULL"
    )
    sources = Sources(played.engine, pool)

    assert (await ask(sources, op_id)).outcome == "applied"
    assert (await ask(sources, new_op(played))).outcome == "not_applied"


async def test_given_a_new_epoch_after_a_restart_when_asked_then_attempts_of_the_old_one_are_told_apart(
    played: Casino, pool: asyncpg.Pool
) -> None:
    op_id, never_sent = await pull(played), new_op(played)
    await played.pretend_restart()
    sources = Sources(played.engine, pool)
    assert {(await ask(sources, each)).outcome for each in (op_id, never_sent)} == {"unknown"}

    async with played.daemon():
        assert (await played.until_open()).epoch == 2
        await played.until_caught_up()

    assert (await ask(sources, op_id)).outcome == "applied"
    assert (await ask(sources, never_sent)).outcome == "not_applied"
