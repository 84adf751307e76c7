"""Players who go on while Postgres is killed, slow or full, with several daemons at work: every event is there once."""

import asyncio
import contextlib
import itertools
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from croupier.command import Caller
from croupier.durability import Durability
from croupier.engine import Engine
from croupier.errors import CroupierError
from croupier.gacha.pull import PULL
from croupier.op_id import OpIds
from croupier.settings import Settings
from croupier.transport import Transport
from croupier_cli.embedded import Postgres
from croupier_schemas.events import EventId
from croupier_schemas.gacha import GachaPull
from croupier_sync.limits import Limits
from croupier_sync.migrations import migrate
from tests.forked import start_forked
from tests.sync.process import follow
from tests.sync.support import MASTER_KEYS, Casino, until

IMPATIENT = Limits(heartbeat_s=0.05, silence_max_s=0.5, batch_max=50)
CALLERS = 8

_FULL = """
CREATE FUNCTION disk_full() RETURNS trigger LANGUAGE plpgsql AS
  'BEGIN RAISE disk_full USING MESSAGE = ''could not extend file: No space left on device''; END'
"""
_op_ids = OpIds(lambda: round(time.time() * 1000))


class Load:
    """Callers who pull without a pause, half of them strict, until they are told to stop."""

    def __init__(self, casino: Casino, pool: asyncpg.Pool) -> None:
        self._engines = [
            Engine(
                casino.transport,
                Settings(master_keys=MASTER_KEYS, durability=level),
                Durability(pool, 20.0, casino.redis_url),
            )
            for level in ("redis", "postgres")
        ]
        self._turns = itertools.count()
        self.strict: list[EventId] = []
        self.fast: list[EventId] = []

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        stop = asyncio.Event()
        callers = [asyncio.create_task(self._call(number, stop)) for number in range(CALLERS)]
        try:
            yield
        finally:
            stop.set()
            await asyncio.gather(*callers)

    async def _call(self, number: int, stop: asyncio.Event) -> None:
        engine, answered = self._engines[number % 2], (self.fast, self.strict)[number % 2]
        while not stop.is_set():
            asked = Caller(1 + next(self._turns) % 20, "VIP", "user", _op_ids.new())
            try:
                outcome = await engine.execute(PULL, asked, GachaPull(1))
                answered.append(EventId.parse(outcome.reply.receipt.event_id))
            except CroupierError as error:
                if error.code not in ("NOT_READY", "DURABILITY_TIMEOUT"):
                    raise
            await asyncio.sleep(0.001)

    async def until_more(self, answered: list[EventId], more: int = 20) -> None:
        """Wait until so many more were answered."""
        enough = len(answered) + more

        async def there() -> bool:
            return len(answered) >= enough

        await until(there, "more answers")


@pytest.fixture
async def pool(casino: Casino) -> AsyncIterator[asyncpg.Pool]:
    pool = await asyncpg.create_pool(casino.database_url, min_size=1, max_size=4)
    yield pool
    pool.terminate()


async def require_all_once(casino: Casino, load: Load) -> None:
    """Postgres is what the log says, and has whatever was answered."""
    await casino.until_caught_up()
    log = await casino.log()
    assert {*load.strict, *load.fast} <= {event.id for event in log}
    assert {event.id.epoch for event in log} == {1}
    await casino.require_events_are(log)
    await casino.require_mirror()
    await casino.require_ledger_adds_up()
    assert await casino.connection.fetchval("SELECT count(*) FROM projection_failures") == 0


async def test_given_a_postgres_killed_again_and_again_when_players_go_on_then_every_event_is_there_once(
    redis_url: str, transport: Transport, tmp_path: Path, postgres_template: Path
) -> None:
    with contextlib.ExitStack() as servers:
        server = servers.enter_context(Postgres.start(tmp_path, template=postgres_template))
        connection = await asyncpg.connect(server.url)
        await migrate(connection)
        await connection.close()
        casino = Casino.of(redis_url, server.url, transport, connection)
        pool = await asyncpg.create_pool(server.url, min_size=0, max_size=4)
        load = Load(casino, pool)
        async with casino.daemon(IMPATIENT), casino.daemon(IMPATIENT), casino.daemon(IMPATIENT):
            await casino.until_open()
            async with load.running():
                for _ in range(3):
                    await load.until_more(load.strict)
                    server.kill()
                    await load.until_more(load.fast)  # fast ones do not mind
                    server = servers.enter_context(Postgres.start(tmp_path))
                await load.until_more(load.strict)
            casino.connection = await asyncpg.connect(server.url)
            await require_all_once(casino, load)
            await casino.connection.close()
        pool.terminate()


async def test_given_a_postgres_that_takes_its_time_when_players_go_on_then_strict_ones_wait_and_all_is_there_once(
    casino: Casino, pool: asyncpg.Pool
) -> None:
    load = Load(casino, pool)
    async with casino.daemon(IMPATIENT), casino.daemon(IMPATIENT):
        await casino.until_open()
        async with load.running():
            await load.until_more(load.strict)
            async with casino.connection.transaction():
                await casino.connection.execute("LOCK TABLE events IN SHARE ROW EXCLUSIVE MODE")
                held = len(load.strict) + CALLERS
                await load.until_more(load.fast, 500)
                assert len(load.strict) <= held
            await load.until_more(load.strict)
        await require_all_once(casino, load)


async def test_given_owners_suspended_under_load_when_they_go_on_then_they_are_fenced_and_every_event_is_there_once(
    casino: Casino, pool: asyncpg.Pool
) -> None:
    load = Load(casino, pool)
    with contextlib.ExitStack() as processes:
        owners = []
        for _ in range(2):
            process = start_forked(follow, casino.redis_url, casino.database_url)
            processes.callback(process.join)
            processes.callback(process.kill)
            owners.append(process.pid or 0)
        await casino.until_open()
        async with load.running():
            await load.until_more(load.strict)
            for pid in owners:  # neither follows from here on
                os.kill(pid, signal.SIGSTOP)
            async with casino.daemon(IMPATIENT):
                await load.until_more(load.strict)
                for pid in owners:
                    os.kill(pid, signal.SIGCONT)
                await load.until_more(load.strict, 100)
        await require_all_once(casino, load)


@pytest.mark.parametrize("table", ["events", "mirror", "game_history"])
async def test_given_a_postgres_that_is_full_when_there_is_room_again_then_all_is_there_once_and_nothing_is_buried(
    casino: Casino, pool: asyncpg.Pool, table: str
) -> None:
    load = Load(casino, pool)
    async with casino.daemon(IMPATIENT) as one, casino.daemon(IMPATIENT) as other:
        await casino.until_open()
        async with load.running():
            await load.until_more(load.strict)
            await casino.connection.execute(_FULL)
            await casino.connection.execute(
                f"CREATE TRIGGER full_disk BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION disk_full()"
            )

            async def noticed() -> bool:
                return "No space left" in one.status.detail + other.status.detail

            await until(noticed, "a daemon to say that Postgres is full")
            held = len(load.strict) + CALLERS
            await load.until_more(load.fast, 100)
            assert len(load.strict) <= held
            await casino.connection.execute("DROP FUNCTION disk_full() CASCADE")
            await load.until_more(load.strict)
        await require_all_once(casino, load)
