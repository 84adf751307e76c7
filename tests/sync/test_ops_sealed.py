"""What became of an attempt, as Postgres' log shows it: its epoch is sealed without it, or the log goes on later."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from croupier.doubts import DOUBTS_MAX, Doubts
from croupier.engine import Engine
from croupier.errors import CroupierError
from croupier.op_id import OP_LIFETIME_MS
from croupier.query import Sources
from croupier.transport import Transport
from croupier_cli.embedded import Valkey
from croupier_sync.adopting import adopt, find_gap
from croupier_sync.backup import _SKIP_EPOCHS
from croupier_sync.server import Server
from tests.sync.asked import ME, attempt, new_op, op_made, outcome, pull
from tests.sync.old_copy import old_copy
from tests.sync.support import PARTITION, Casino, until_stopped
from tests.transport.proxy import Direction, Kind, Proxy


@pytest.fixture
async def played(casino: Casino) -> Casino:
    """A casino whose events so far are in Postgres; no daemon runs."""
    await casino.have_played()
    return casino


@asynccontextmanager
async def behind_proxy(casino: Casino, valkey: Valkey) -> AsyncIterator[tuple[Proxy, Engine]]:
    """An engine that knows the partition, whose connection can be disturbed."""
    async with Proxy(str(valkey.socket_path)) as proxy:
        transport = Transport(proxy.url)
        await transport.open()
        engine = Engine(transport, casino.engine.settings)
        await attempt(engine, new_op(casino))
        try:
            yield proxy, engine
        finally:
            await transport.close()


async def begin_next_epoch(casino: Casino) -> None:
    """As after a restart of Redis that lost nothing."""
    before = await casino.head()
    assert before is not None
    await casino.pretend_restart()
    async with casino.daemon():
        assert (await casino.until_open()).epoch == before.epoch + 1
        await casino.until_caught_up()


async def away(casino: Casino, engine: Engine) -> None:
    """That engine has no Redis any more."""
    transport = Transport(casino.redis_url)
    await transport.open()
    engine.transport = transport
    await transport.close()


@pytest.mark.parametrize("direction", list(Direction))
async def test_given_a_broken_connection_when_the_epoch_is_sealed_then_the_answer_is_certain_at_once(
    played: Casino, valkey: Valkey, pool: asyncpg.Pool, direction: Direction
) -> None:
    async with behind_proxy(played, valkey) as (proxy, engine):
        sources, op_id = Sources(engine, pool), new_op(played)
        proxy.disturb(direction, Kind.CUT, after_bytes=0)
        with pytest.raises(CroupierError, match="OUTCOME_UNKNOWN"):
            await attempt(engine, op_id)
        await proxy.server_has_read_all()
        applied = direction is Direction.REPLIES

        await begin_next_epoch(played)
        await away(played, engine)
        assert await outcome(sources, op_id) == ("applied" if applied else "not_applied")


async def test_given_a_call_still_in_a_socket_when_the_epoch_is_sealed_then_not_applied_is_said_and_stays_true(
    played: Casino, valkey: Valkey, pool: asyncpg.Pool
) -> None:
    async with behind_proxy(played, valkey) as (proxy, engine):
        sources, op_id = Sources(engine, pool), new_op(played)
        held = proxy.disturb(Direction.REQUESTS, Kind.HOLD, after_bytes=0)
        on_its_way = asyncio.create_task(attempt(engine, op_id))
        await held.reached.wait()
        with pytest.raises(CroupierError, match="OUTCOME_UNKNOWN"):
            await on_its_way
        assert await outcome(sources, op_id) == "unknown"

        await begin_next_epoch(played)
        assert await outcome(sources, op_id) == "not_applied"
        before = await played.durable_state()
        held.release()
        await proxy.server_has_read_all()
        assert await played.durable_state() == before
        assert await outcome(sources, op_id) == "not_applied"


async def test_given_an_attempt_that_may_still_be_tried_when_the_epoch_is_sealed_then_it_is_unknown(
    played: Casino, pool: asyncpg.Pool
) -> None:
    """Nobody has been answered for it: it may run in the next epoch."""
    op_id = new_op(played)
    await begin_next_epoch(played)
    sources = Sources(played.engine, pool)

    assert await outcome(sources, op_id) == "unknown"
    await attempt(played.engine, op_id)
    assert await outcome(sources, op_id) == "applied"


async def test_given_redis_is_away_and_a_log_that_goes_on_after_an_attempts_time_when_asked_then_it_was_not_applied(
    played: Casino, pool: asyncpg.Pool
) -> None:
    last_ms = await played.connection.fetchval("SELECT ts_ms FROM partitions")
    sources = Sources(played.engine, pool)
    await away(played, played.engine)

    assert await outcome(sources, op_made(last_ms - OP_LIFETIME_MS - 1)) == "not_applied"
    assert await outcome(sources, op_made(last_ms - OP_LIFETIME_MS)) == "unknown"


async def test_given_a_log_whose_last_event_is_earlier_than_one_before_when_asked_then_its_time_shows_nothing(
    played: Casino, pool: asyncpg.Pool
) -> None:
    """The clock was set back; so it may be behind the end of the attempt's time again."""
    last_ms = await played.connection.fetchval("SELECT ts_ms FROM partitions")
    await played.connection.execute("UPDATE events SET ts_ms = ts_ms + $1 WHERE seq = 1", 2 * OP_LIFETIME_MS)
    await away(played, played.engine)

    assert await outcome(Sources(played.engine, pool), op_made(last_ms)) == "unknown"


async def test_given_events_that_an_adoption_left_out_when_asked_then_attempts_of_that_time_stay_unknown(
    played: Casino, pool: asyncpg.Pool
) -> None:
    """They are from long ago, and the log went on in epoch 3 after them."""
    begin_ms = (await played.log())[0].ts_ms - 10 * OP_LIFETIME_MS
    await played.connection.execute("UPDATE events SET ts_ms = ts_ms - $1", 10 * OP_LIFETIME_MS)
    await played.connection.execute("UPDATE partitions SET epoch = 3, taken_epoch = 3")
    await away(played, played.engine)
    sources, lost = Sources(played.engine, pool), op_made(begin_ms)
    played.engine.doubts.add(PARTITION, lost, epoch=1)
    assert await outcome(sources, lost) == "not_applied"

    await played.connection.execute(
        "INSERT INTO adoptions (partition, last_entry, first_entry) SELECT partition, '1-0', '1-2' FROM partitions"
    )
    assert await outcome(sources, lost) == "unknown"
    assert await outcome(sources, op_made(begin_ms + 2 * OP_LIFETIME_MS)) == "not_applied"


async def test_given_a_clock_that_jumped_ahead_and_back_when_asked_then_the_logs_time_shows_nothing(
    played: Casino, pool: asyncpg.Pool
) -> None:
    in_outbox, never_sent = await pull(played), new_op(played)
    await played.connection.execute("UPDATE partitions SET ts_ms = ts_ms + $1", 2 * OP_LIFETIME_MS)
    sources = Sources(played.engine, pool)

    assert await outcome(sources, in_outbox) == "applied"
    assert await outcome(sources, never_sent) == "unknown"
    await away(played, played.engine)
    assert await outcome(sources, in_outbox) == "unknown"


async def test_given_a_restored_postgres_when_an_adoption_may_still_bring_the_event_then_not_applied_is_not_said(
    casino: Casino, pool: asyncpg.Pool
) -> None:
    await old_copy(casino)
    event = next(each for each in reversed(await casino.log()) if each.header.uid == ME)
    casino.engine.doubts.add(PARTITION, event.header.op_id, event.id.epoch)
    await casino.connection.execute(_SKIP_EPOCHS, 1_000)
    sources = Sources(casino.engine, pool)
    async with casino.daemon() as sync:
        await until_stopped(sync.status, "postgres_old")
        assert await outcome(sources, event.header.op_id) == "unknown"

        server = Server(casino.transport)
        await adopt(server, casino.connection, await find_gap(server, casino.connection, PARTITION))
        await casino.until_open()
        assert await outcome(sources, event.header.op_id) == "applied"


def test_given_more_doubts_than_are_kept_when_remembered_then_the_oldest_go() -> None:
    doubts = Doubts()
    for number in range(DOUBTS_MAX + 1):
        doubts.add(PARTITION, number.to_bytes(16), number)

    assert doubts.epoch(PARTITION, bytes(16)) is None
    assert doubts.epoch(PARTITION, (1).to_bytes(16)) == 1
    assert doubts.epoch(PARTITION + 1, (1).to_bytes(16)) is None
    assert doubts.epoch(PARTITION, DOUBTS_MAX.to_bytes(16)) == DOUBTS_MAX
