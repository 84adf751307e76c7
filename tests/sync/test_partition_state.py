"""What a daemon says of its partition in Postgres."""

import asyncpg
import pytest

from croupier.partition_state import PartitionState, partition_states
from croupier_sync.limits import Limits
from croupier_sync.status import Status, record
from tests.sync.support import PARTITION, Casino, until

BRISK = Limits(heartbeat_s=0.05)


async def _until_state(pool: asyncpg.Pool, state: str, reason: str = "") -> PartitionState:
    async def said() -> PartitionState | None:
        (partition,) = await partition_states(pool)
        return partition if (partition.state, partition.reason) == (state, reason) else None

    found: PartitionState = await until(said, f"state {state!r}")
    return found


@pytest.mark.usefixtures("casino")
async def test_given_a_partition_that_nobody_has_followed_when_asked_then_it_is_starting(
    pool: asyncpg.Pool,
) -> None:
    (partition,) = await partition_states(pool)
    assert (partition.partition, partition.state, partition.silent_s) == (PARTITION, "starting", None)


async def test_given_a_daemon_when_it_follows_stops_by_an_alarm_recovers_and_ends_then_each_can_be_read(
    casino: Casino, pool: asyncpg.Pool
) -> None:
    await casino.have_played()
    async with casino.daemon(BRISK):
        following = await _until_state(pool, "following")
        assert following.detail == ""
        op_id = await casino.connection.fetchval("SELECT op_id FROM partitions")
        await casino.connection.execute("UPDATE partitions SET op_id = '\\x00'")
        await casino.pull(1)
    async with casino.daemon(BRISK) as sync:
        stopped = await _until_state(pool, "stopped", "fork")
        assert stopped.detail == sync.status.detail
        assert stopped.since > following.since
        await casino.connection.execute("UPDATE partitions SET op_id = $1", op_id)
        assert (await _until_state(pool, "following")).since > stopped.since
    assert (await partition_states(pool))[0].state == "ended"


async def test_given_a_daemon_that_goes_on_following_when_asked_then_since_stays_and_its_silence_is_short(
    casino: Casino, pool: asyncpg.Pool
) -> None:
    async with casino.daemon(BRISK):
        first = await _until_state(pool, "following")
        seen_at = await pool.fetchval("SELECT seen_at FROM partitions")

        async def seen_again() -> bool:
            return bool(await pool.fetchval("SELECT seen_at > $1 FROM partitions", seen_at))

        await until(seen_again, "another heartbeat")
        (last,) = await partition_states(pool)
    assert last.since == first.since
    assert last.silent_s is not None and last.silent_s >= 0


async def test_given_a_redis_that_refuses_a_command_when_opened_then_it_says_refused_with_the_answer(
    casino: Casino, pool: asyncpg.Pool
) -> None:
    await casino.transport.call("SET", "{0}:head", "no hash")
    async with casino.daemon(BRISK):
        assert "WRONGTYPE" in (await _until_state(pool, "refused")).detail
        await casino.transport.call("DEL", "{0}:head")
        await _until_state(pool, "following")


async def test_given_a_detail_that_postgres_cannot_hold_when_recorded_then_what_it_can_is(
    casino: Casino, pool: asyncpg.Pool
) -> None:
    status = Status(PARTITION)
    status.change("stopped", "nul \0 " + "x" * 10_000, reason="gap")
    await record(casino.connection, status)
    (partition,) = await partition_states(pool)
    assert partition.detail.startswith("nul \\0 xxx")
    assert len(partition.detail) < 2_000
