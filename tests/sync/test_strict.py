"""Strict commands: who waits for Postgres is answered when that holds this very event, and told when it never will."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from croupier import durability
from croupier.command import SYSTEM_ROLE, Caller
from croupier.durability import Durability
from croupier.engine import Engine
from croupier.errors import CroupierError
from croupier.gacha.pull import PULL
from croupier.op_id import OpIds
from croupier.settings import Settings
from croupier_schemas import keys
from croupier_schemas.events import EventId
from croupier_schemas.gacha import GachaPull
from tests.redis_server import administrator
from tests.sync.support import MASTER_KEYS, PARTITION, Casino, until

NEVER_S = 3_600.0
OURS, OTHER = b"o" * 16, b"x" * 16

_INSERT = """
INSERT INTO events (partition, epoch, seq, ts_ms, created, type, uid, tier, op_id, idempotency_key, request_hash,
  economy, rules, terms, result, changes)
VALUES ($1, $2, $3, 0, false, 'test', 1, '', $4, '', '', '', 1, '', '', '')
"""
_IN_EPOCH_2 = "UPDATE partitions SET epoch = 2, seq = 0, op_id = $1, ts_ms = 0, taken_epoch = 2"
_op_ids = OpIds(lambda: round(time.time() * 1000))


@pytest.fixture
async def pool(casino: Casino) -> AsyncIterator[asyncpg.Pool]:
    pool = await asyncpg.create_pool(casino.database_url, min_size=1, max_size=2)
    yield pool
    await pool.close()


class Waiting:
    """One worker's waiters; the test writes the events of Postgres, and speaks for the daemon."""

    def __init__(self, casino: Casino, pool: asyncpg.Pool, timeout_s: float) -> None:
        self.casino = casino
        self.durability = Durability(pool, timeout_s, casino.redis_url)

    async def holds(self, seq: int, op_id: bytes = OURS, epoch: int = 1) -> None:
        """Postgres has an event of that id."""
        await self.casino.connection.execute(_INSERT, PARTITION, epoch, seq, op_id)

    async def say(self, seq: int, epoch: int = 1) -> int:
        """The daemon's notice; how many heard it."""
        heard = await self.casino.transport.call("PUBLISH", keys.synced(PARTITION), f"{epoch}-{seq}")
        assert isinstance(heard, int)
        return heard

    def wait(self, seq: int, epoch: int = 1) -> "asyncio.Task[None]":
        return asyncio.create_task(self.durability.wait(EventId(PARTITION, epoch, seq), OURS))

    async def until_heard(self, seq: int, epoch: int = 1) -> None:
        """Say it until somebody listens, and until this worker has taken it in."""

        async def heard() -> bool:
            await self.say(seq, epoch)
            return self.durability._noticed.get(PARTITION) == (epoch, seq)

        await until(heard, "the notice to be heard")

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        listener = asyncio.create_task(self.durability.keep_listening())
        try:
            await self.until_heard(0, epoch=0)
            yield
        finally:
            listener.cancel()
            await asyncio.wait([listener])


@pytest.fixture
def waiting(casino: Casino, pool: asyncpg.Pool) -> Waiting:
    return Waiting(casino, pool, timeout_s=20.0)


@pytest.fixture
async def deaf(casino: Casino, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch) -> Waiting:
    """Waiters that ask again only when they have a reason to: nothing is found by asking now and then."""
    monkeypatch.setattr(durability, "POLL_S", NEVER_S)
    return Waiting(casino, pool, timeout_s=20.0)


async def refused(waiter: "asyncio.Task[None]", code: str) -> None:
    with pytest.raises(CroupierError, match=code):
        await waiter


async def test_given_another_event_under_its_id_when_waited_for_then_it_is_not_applied_whatever_the_cursor_says(
    waiting: Waiting,
) -> None:
    await waiting.holds(5, OTHER)
    await waiting.holds(9)
    await waiting.say(9)
    await refused(waiting.wait(5), "NOT_APPLIED")


async def test_given_a_cursor_beyond_it_when_its_event_is_not_there_then_it_is_not_released(
    waiting: Waiting,
) -> None:
    await waiting.casino.connection.execute(
        "UPDATE partitions SET epoch = 1, seq = 9, op_id = $1, ts_ms = 0, taken_epoch = 1", OTHER
    )
    async with waiting.listening():
        await waiting.holds(9, OTHER)
        waiter = waiting.wait(5)
        await waiting.until_heard(9)
        # Whatever Postgres is asked from now on, it is asked for both.
        await refused(waiting.wait(9), "NOT_APPLIED")
        await asyncio.sleep(0)
        assert not waiter.done()
        await waiting.holds(5)
        await waiter


async def test_given_an_epoch_that_is_sealed_without_it_when_waited_for_then_nothing_of_it_stands(
    waiting: Waiting,
) -> None:
    held, lost = waiting.wait(5), waiting.wait(6)
    await waiting.holds(5)
    await held
    await waiting.casino.connection.execute(_IN_EPOCH_2, OTHER)
    await refused(lost, "NOT_APPLIED")
    await waiting.wait(5)


async def test_given_epochs_skipped_by_a_restore_when_an_adoption_brings_the_event_then_its_caller_is_released(
    waiting: Waiting,
) -> None:
    await waiting.casino.connection.execute("UPDATE partitions SET taken_epoch = 1001")
    earlier, waiter = waiting.wait(4), waiting.wait(5)
    await waiting.holds(4)
    await earlier  # both were asked for
    assert not waiter.done()
    await waiting.holds(5)
    await waiter


async def test_given_a_notice_when_the_event_is_there_then_the_waiter_is_released_without_asking_now_and_then(
    deaf: Waiting,
) -> None:
    async with deaf.listening():
        waiter, other = deaf.wait(5), deaf.wait(7)
        await asyncio.sleep(0)
        await deaf.holds(5)
        await deaf.until_heard(6)
        await waiter
        assert not other.done()
        other.cancel()


async def test_given_a_notice_that_came_before_the_reply_when_waited_for_then_it_is_asked_at_once(
    deaf: Waiting,
) -> None:
    async with deaf.listening():
        earlier = deaf.wait(7)  # somebody waits already, so nobody asks anew for the next one by itself
        await deaf.until_heard(4)
        await deaf.holds(5)
        await deaf.until_heard(5)
        await deaf.wait(5)
        earlier.cancel()


async def test_given_a_daemon_at_work_when_players_pull_then_its_notices_alone_release_them(
    casino: Casino, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(durability, "POLL_S", NEVER_S)
    engine = strict_engine(casino, pool, 5.0)
    assert engine.durability is not None
    listening = asyncio.create_task(engine.durability.keep_listening())
    async with casino.daemon():
        await casino.until_open()
        for _ in range(20):
            await engine.execute(PULL, caller(), GachaPull(1))
    listening.cancel()
    await asyncio.wait([listening])


async def test_given_a_notice_lost_with_the_connection_when_listening_again_then_it_is_asked_at_once(
    deaf: Waiting,
) -> None:
    async with deaf.listening():
        await deaf.holds(4)
        await deaf.wait(4)  # from here on nobody asks without a reason
        waiter = deaf.wait(5)
        await deaf.until_heard(4)
        await deaf.holds(5)
        with administrator(deaf.casino.redis_url) as client:
            client.client_kill_filter(_type="pubsub")
            assert await deaf.say(5) == 0
        await waiter


async def test_given_nobody_who_listens_when_the_event_comes_then_it_is_found_all_the_same(
    waiting: Waiting,
) -> None:
    waiter = waiting.wait(5)
    await waiting.holds(5)
    await waiter


async def test_given_no_event_in_time_when_waited_for_then_the_durability_is_said_to_be_open(
    casino: Casino, pool: asyncpg.Pool
) -> None:
    await refused(Waiting(casino, pool, timeout_s=0.1).wait(5), "DURABILITY_TIMEOUT")


def strict_engine(casino: Casino, pool: asyncpg.Pool, timeout_s: float) -> Engine:
    settings = Settings(master_keys=MASTER_KEYS, durability="postgres")
    return Engine(casino.transport, settings, Durability(pool, timeout_s, casino.redis_url))


def caller(key: str = "", role: str = "user") -> Caller:
    return Caller(1, "VIP", role, _op_ids.new(), key)


async def held(casino: Casino) -> int:
    count: int = await casino.connection.fetchval("SELECT count(*) FROM events WHERE type = 'gacha.pulled'")
    return count


async def test_given_strict_for_all_when_players_pull_then_each_is_answered_once_postgres_has_its_event(
    casino: Casino, pool: asyncpg.Pool
) -> None:
    hurried, patient = strict_engine(casino, pool, 0.1), strict_engine(casino, pool, 20.0)
    async with casino.daemon():
        await casino.until_open()
    before = await held(casino)
    for _ in range(2):  # a replay waits too
        with pytest.raises(CroupierError, match="DURABILITY_TIMEOUT"):
            await hurried.execute(PULL, caller("order-1"), GachaPull(1))
    assert await held(casino) == before
    await hurried.execute(PULL, caller(role=SYSTEM_ROLE), GachaPull(1))  # nobody waits for its answer
    async with casino.daemon():
        first = await patient.execute(PULL, caller("order-1"), GachaPull(1))
        assert first.replayed
        for answered in range(3, 23):
            await patient.execute(PULL, caller(), GachaPull(1))
            assert await held(casino) == before + answered


async def test_given_redis_lost_a_strict_command_when_the_partition_is_opened_again_then_its_caller_hears_of_it(
    casino: Casino, pool: asyncpg.Pool
) -> None:
    engine = strict_engine(casino, pool, 20.0)
    async with casino.daemon():
        await casino.until_open()
        await casino.until_caught_up()
    waiter: Any = asyncio.create_task(engine.execute(PULL, caller(), GachaPull(1)))
    cursor = await casino.cursor()

    async def in_outbox() -> bool:
        return await casino.last_entry() != cursor

    await until(in_outbox, "the event in the outbox")
    epoch, seq = (await casino.last_entry()) or (0, 0)
    await casino.administer("XDEL", await casino.stream(), f"{epoch}-{seq}")
    await casino.pretend_restart()
    async with casino.daemon():
        await refused(waiter, "NOT_APPLIED")


async def test_given_callers_who_wait_at_once_when_the_daemon_follows_then_all_are_answered_in_a_few_batches(
    casino: Casino, pool: asyncpg.Pool
) -> None:
    engine, uids = strict_engine(casino, pool, 20.0), itertools.count(1)
    listening = asyncio.create_task(engine.durability.keep_listening()) if engine.durability else None
    async with casino.daemon():
        await casino.until_open()

        async def play() -> None:
            uid = next(uids)
            for _ in range(5):
                await engine.execute(PULL, Caller(uid, "VIP", "user", _op_ids.new()), GachaPull(1))

        await asyncio.gather(*(play() for _ in range(64)))
        assert await held(casino) == 5 * 64
        commits = await casino.connection.fetchval("SELECT count(DISTINCT xmin::text) FROM events")
        assert commits <= 5 * 64 / 4
    if listening is not None:
        listening.cancel()
        await asyncio.wait([listening])
