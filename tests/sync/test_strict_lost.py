"""A strict command whose event Redis lost: its caller hears of it, and the same key does it once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import asyncpg
import pytest

from croupier.durability import Durability
from croupier.engine import Engine
from croupier.errors import CroupierError
from croupier.query import Sources
from croupier.settings import Settings
from croupier_sync.migrations import migrate
from croupier_sync.position import read_position, take_epoch
from tests.redis_server import started_valkey
from tests.sync.asked import attempt, new_op, outcome
from tests.sync.healed import casino_on, require_whole
from tests.sync.support import MASTER_KEYS, OTHER_SERVER, PARTITION, Casino, until

KEY = "order-1"
PASSING = {"NOT_APPLIED", "NOT_READY", "OUTCOME_UNKNOWN", "DURABILITY_TIMEOUT"}
"""What a caller may hear meanwhile, and tries again after."""


class Servers:
    """A Redis that can be restarted with an earlier log of writes."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.valkey = started_valkey(directory)

    @property
    def log(self) -> Path:
        (log,) = (self._directory / "appendonlydir").glob("*.incr.aof")
        return log

    def restart_with(self, length: int) -> None:
        self.valkey.kill()
        with self.log.open("r+b") as file:
            file.truncate(length)
        self.valkey = started_valkey(self._directory)


@pytest.fixture
async def servers(short_path: Path) -> AsyncIterator[Servers]:
    servers = Servers(short_path)
    yield servers
    servers.valkey.stop()


async def _cut(casino: Casino, servers: Servers, length: int) -> None:
    """Redis' log of writes loses its end."""
    servers.restart_with(length)


async def _fork(casino: Casino, _servers: Servers, _length: int) -> None:
    """Another server was promoted without the event; this one still has it, and answers repetitions from it."""
    await take_epoch(casino.connection, await read_position(casino.connection, PARTITION), OTHER_SERVER)


@pytest.mark.parametrize("lose", [_cut, _fork])
async def test_given_a_strict_command_that_redis_lost_when_repeated_across_the_heal_then_it_is_done_exactly_once(
    servers: Servers,
    database_url: str,
    connection: asyncpg.Connection,
    pool: asyncpg.Pool,
    lose: Callable[[Casino, Servers, int], Awaitable[None]],
) -> None:
    await migrate(connection)
    async with casino_on(servers.valkey, database_url) as casino:
        await casino.have_played()
        settings = Settings(master_keys=MASTER_KEYS, durability="postgres")
        engine = Engine(casino.transport, settings, Durability(pool, timeout_s=5.0))
        sources, lost, cursor = Sources(engine, pool), new_op(casino), await casino.cursor()
        length = servers.log.stat().st_size
        waiter = asyncio.create_task(attempt(engine, lost, KEY))

        async def in_outbox() -> bool:
            return await casino.last_entry() != cursor

        await until(in_outbox, "the event in the outbox")
        await lose(casino, servers, length)
        again = asyncio.create_task(_until_done(casino, engine))
        async with casino.daemon():
            with pytest.raises(CroupierError, match="NOT_APPLIED"):
                await waiter
            done = await again
            await casino.until_caught_up()
            assert await outcome(sources, lost) == "not_applied"
            assert await outcome(sources, done) == "applied"
            await attempt(engine, new_op(casino), KEY)  # a repetition
        held = await connection.fetch("SELECT op_id FROM events WHERE idempotency_key = $1", KEY)
        assert [row["op_id"] for row in held] == [done]
        await require_whole(casino)
        await casino.require_ledger_adds_up()


async def _until_done(casino: Casino, engine: Engine) -> bytes:
    """Repeat the command as a client does; the attempt that was answered."""
    while True:
        op_id = new_op(casino)
        try:
            await attempt(engine, op_id, KEY)
        except CroupierError as error:
            if error.code not in PASSING:
                raise
            await asyncio.sleep(0.02)
        else:
            return op_id
