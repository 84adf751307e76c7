"""An owner that has gone silent: another daemon takes its partition over, and it does no harm when it goes on."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager

import asyncpg
import pytest

from croupier_sync.limits import Limits
from croupier_sync.postgres import end_silent_owner, try_lock
from tests.forked import start_forked
from tests.sync.process import follow, suspended_while_copying
from tests.sync.support import PARTITION, Casino, until, until_following

IMPATIENT = Limits(heartbeat_s=0.05, silence_max_s=0.5)

_DAEMONS = (
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE application_name = 'croupier sync' AND datname = current_database()"
)
_OWNER = (
    "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


@contextmanager
def _process(target: Callable[..., None], *args: str) -> Iterator[int]:
    """Run the function in a process of its own; yields its pid."""
    process = start_forked(target, *args)
    try:
        assert process.pid is not None
        yield process.pid
    finally:
        process.kill()
        process.join()


async def _until_daemons(casino: Casino, count: int) -> None:
    async def connected() -> bool:
        return bool(await casino.connection.fetchval(_DAEMONS) == count)

    await until(connected, f"{count} daemons to be connected")


async def test_given_a_suspended_owner_when_another_waits_then_that_takes_over_and_the_first_waits_once_it_goes_on(
    casino: Casino,
) -> None:
    with _process(follow, casino.redis_url, casino.database_url) as pid:
        await casino.until_open()
        await casino.pull(1)
        os.kill(pid, signal.SIGSTOP)
        async with casino.daemon(IMPATIENT) as second:
            await casino.pull(2)
            await casino.until_caught_up()
            await until_following(second.status)
            owner = await casino.connection.fetchval(_OWNER)
            os.kill(pid, signal.SIGCONT)
            await _until_daemons(casino, 2)
            await casino.pull(3)
            await casino.until_caught_up()
            assert await casino.connection.fetchval(_OWNER) == owner
            applied = second.status.applied
        # The first has its turn again.
        await casino.pull(4)
        await casino.until_caught_up()
        assert 2 <= applied < len(await casino.log())
        await casino.require_events_are(await casino.log())
        await casino.require_mirror()
        await casino.require_ledger_adds_up()
    assert {event.id.epoch for event in await casino.log()} == {1}


async def test_given_an_owner_with_nothing_to_do_when_others_wait_longer_than_silence_is_borne_then_it_stays_owner(
    casino: Casino,
) -> None:
    async with casino.daemon(IMPATIENT) as first:
        await casino.until_open()
        await casino.until_caught_up()
        owner = await casino.connection.fetchval(_OWNER)
        async with casino.daemon(IMPATIENT) as second:

            async def owned_for_long() -> bool:
                return bool(
                    await casino.connection.fetchval(
                        "SELECT now() - backend_start > make_interval(secs => $1) FROM pg_stat_activity"
                        " WHERE application_name = 'croupier sync' AND pid <> $2 AND datname = current_database()",
                        2 * IMPATIENT.silence_max_s,
                        owner,
                    )
                )

            await until(owned_for_long, "the second daemon to have waited")
            assert (first.status.state, second.status.state) == ("following", "waiting")
            assert await casino.connection.fetchval(_OWNER) == owner


@pytest.fixture
async def owner(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A session that has the partition's lock."""
    connection = await asyncpg.connect(database_url)
    assert await try_lock(connection, PARTITION)
    yield connection
    connection.terminate()


async def _until_ended(connection: asyncpg.Connection) -> None:
    async def ended() -> bool:
        return await end_silent_owner(connection, PARTITION, 0.05)

    await until(ended, "the owner's session to be ended")

    async def free() -> bool:
        return await try_lock(connection, PARTITION)

    await until(free, "the lock")


async def test_given_an_owner_suspended_in_a_transaction_when_silent_for_long_then_its_locks_are_free(
    casino: Casino, owner: asyncpg.Connection
) -> None:
    await owner.execute("BEGIN")
    await owner.execute("UPDATE partitions SET seen_at = now()")
    await _until_ended(casino.connection)
    await casino.connection.execute("UPDATE partitions SET seen_at = now()", timeout=5)


async def test_given_an_owner_suspended_while_it_sends_rows_when_silent_for_long_then_its_session_is_ended(
    casino: Casino,
) -> None:
    with _process(suspended_while_copying, casino.database_url):
        await _until_ended(casino.connection)


async def test_given_an_owner_whose_statement_takes_long_when_looked_at_then_it_is_left_alone(
    casino: Casino, owner: asyncpg.Connection
) -> None:
    working = asyncio.create_task(owner.execute("SELECT pg_sleep(1)"))

    async def long_at_work() -> bool:
        return bool(
            await casino.connection.fetchval(
                "SELECT state = 'active' AND now() - state_change > interval '0.2 s'"
                " FROM pg_stat_activity WHERE pid = $1",
                owner.get_server_pid(),
            )
        )

    await until(long_at_work, "the statement to have run for a while")
    assert not await end_silent_owner(casino.connection, PARTITION, 0.1)
    await working
