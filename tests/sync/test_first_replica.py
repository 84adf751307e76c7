"""With its first replica, and without its last, a master has another replication id: another identity and epoch."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from random import Random

import asyncpg
import pytest

from croupier.errors import CroupierError
from croupier.transport import Transport
from croupier_cli.embedded import Valkey
from croupier_sync.daemon import PartitionSync
from croupier_sync.migrations import migrate
from tests.sync.failover import started_master, started_replica
from tests.sync.healed import casino_on, heals, require_replies, require_whole
from tests.sync.rounds import Rounds
from tests.sync.support import PARTITION, Casino, until, until_following

FORGOTTEN_AFTER_S = 1


@pytest.fixture
def master(tmp_path: Path) -> Iterator[Valkey]:
    """It gives its replication id up soon after its last replica has gone."""
    with started_master(tmp_path / "master", "--repl-backlog-ttl", str(FORGOTTEN_AFTER_S)) as master:
        yield master


@pytest.fixture
async def casino(master: Valkey, database_url: str, connection: asyncpg.Connection) -> AsyncIterator[Casino]:
    await migrate(connection)
    async with casino_on(master, database_url) as casino:
        yield casino


async def _until_opened_after(casino: Casino, epoch: int) -> int:
    """Wait for a later epoch, and until players are answered in it; it."""

    async def opened() -> int:
        head = await casino.head()
        return head.epoch if head is not None and head.fence and head.epoch > epoch else 0

    async def answered() -> bool:
        try:
            await casino.pull(1)
        except CroupierError as error:
            if error.code not in ("NOT_READY", "OUTCOME_UNKNOWN"):
                raise
            return False
        return True

    now: int = await until(opened, "the partition under another identity")
    await until(answered, "players to be answered")
    return now


async def test_given_players_when_the_first_replica_comes_and_the_last_one_goes_then_they_go_on_and_nothing_is_lost(
    casino: Casino, master: Valkey, tmp_path: Path
) -> None:
    rounds = Rounds(Random(1))
    async with casino.daemon() as sync:
        first = await casino.until_open()
        await rounds.play(casino.engine, 30)
        with started_replica(tmp_path / "replica", master):
            epoch = await _until_opened_after(casino, first.epoch)
            await rounds.play(casino.engine, 30)
        epoch = await _until_opened_after(casino, epoch)
        await rounds.play(casino.engine, 30)
        await casino.until_caught_up()

        assert epoch == first.epoch + 2
        await until_following(sync.status)
        assert await heals(casino) == []
        await require_whole(casino)
        assert await require_replies(casino, rounds) > 60


async def test_given_a_stand_by_that_missed_a_change_of_identity_when_it_takes_over_then_the_partition_stays_open(
    casino: Casino, master: Valkey, database_url: str, tmp_path: Path
) -> None:
    # Given
    transport = Transport(master.url)
    await transport.open()
    async with casino.daemon():
        first = await casino.until_open()
        with started_replica(tmp_path / "replica", master):
            epoch = await _until_opened_after(casino, first.epoch)
            before = await casino.head()
            await casino.until_caught_up()
    assert before is not None
    assert str(transport.identity) == first.identity != before.identity

    # When
    stand_by = PartitionSync(transport, database_url, PARTITION, casino.economy)
    stop = asyncio.Event()
    running = asyncio.create_task(stand_by.run(stop))

    async def follows() -> bool:
        return stand_by.status.state == "following"

    await until(follows, "the stand-by to follow")
    after = await casino.head()
    stop.set()
    await running
    await transport.close()

    # Then
    assert after == before, epoch
