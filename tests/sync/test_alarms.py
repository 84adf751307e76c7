"""What stops a partition until an operator comes: nothing is applied, and nobody may write."""

from typing import Any

import pytest

from croupier.errors import CroupierError
from croupier_schemas import keys
from croupier_sync.errors import InstallationMismatch
from croupier_sync.installation import check_installation
from croupier_sync.position import read_position
from tests.sync.support import PARTITION, Casino, until_following, until_stopped


async def _require_stopped(casino: Casino, reason: str) -> str:
    """A daemon stops with this alarm, closes the partition and changes nothing in Postgres; returns what it says."""
    before = await casino.dump()
    async with casino.daemon() as sync:
        await until_stopped(sync.status, reason)
        detail = sync.status.detail
        head = await casino.head()
        assert head is None or head.fence == ""
        assert await casino.dump() == before
        with pytest.raises(CroupierError, match="NOT_READY"):
            await casino.pull(1)
    return detail


async def test_given_the_redis_of_another_installation_when_started_then_refused_and_nothing_is_touched(
    casino: Casino,
) -> None:
    await casino.have_played()
    await casino.connection.execute("UPDATE installation SET id = 'another'")
    before = (await casino.head(), await casino.log(), await casino.dump())
    with pytest.raises(InstallationMismatch, match="do not belong together"):
        await check_installation(casino.transport, casino.connection)
    async with casino.daemon() as sync:
        await until_stopped(sync.status, "installation")
    assert (await casino.head(), await casino.log(), await casino.dump()) == before


async def test_given_another_number_of_partitions_in_postgres_when_started_then_refused(
    casino: Casino,
) -> None:
    await casino.connection.execute("UPDATE installation SET partitions = 64")
    with pytest.raises(InstallationMismatch, match="64 partitions"):
        await check_installation(casino.transport, casino.connection)
    async with casino.daemon() as sync:
        await until_stopped(sync.status, "installation")
    assert await casino.head() is None


async def test_given_an_event_missing_among_those_to_come_when_followed_then_stopped_at_the_gap(
    casino: Casino,
) -> None:
    await casino.have_played()
    for _ in range(3):
        await casino.pull(1)
    missing = (await casino.log())[-2].id
    await casino.administer("XDEL", await casino.stream(), missing.entry)
    assert "missing" in await _require_stopped(casino, "gap")


async def test_given_an_entry_that_is_no_event_when_followed_then_stopped(casino: Casino) -> None:
    await casino.have_played()
    await casino.transport.call("XADD", await casino.stream(), "1-*", "what", "ever")
    assert "not an event" in await _require_stopped(casino, "not_an_event")


async def test_given_an_empty_postgres_and_a_redis_with_events_when_started_then_stopped(
    casino: Casino,
) -> None:
    await casino.have_played()
    tables = "events, mirror, game_history, wallet_ledger, gacha_daily, economy_versions"
    await casino.connection.execute(f"TRUNCATE {tables}")
    await casino.connection.execute(
        "UPDATE partitions SET epoch = NULL, seq = NULL, op_id = NULL, ts_ms = NULL, taken_epoch = 0"
    )
    assert "Postgres has no event" in await _require_stopped(casino, "postgres_empty")


async def test_given_a_postgres_older_than_the_trimmed_outbox_when_started_then_stopped(
    casino: Casino,
) -> None:
    await casino.have_played()
    for _ in range(3):
        await casino.pull(1)
    last = (await casino.log())[-1].id
    await casino.transport.call("XTRIM", await casino.stream(), "MINID", last.entry)
    assert "old copy" in await _require_stopped(casino, "postgres_old")


async def test_given_a_postgres_restored_to_an_earlier_point_when_started_then_it_catches_up_from_the_outbox(
    casino: Casino,
) -> None:
    await casino.have_played()
    await casino.pretend_restart()
    async with casino.daemon():
        await casino.until_open()
        await casino.pull(1)
        await casino.until_caught_up()
    op_id = await casino.connection.fetchval("SELECT op_id FROM events WHERE epoch = 1 AND seq = 2")
    for table in ("events", "game_history", "wallet_ledger"):
        await casino.connection.execute(f"DELETE FROM {table} WHERE epoch > 1 OR seq > 2")
    await casino.connection.execute(
        "UPDATE partitions SET epoch = 1, seq = 2, op_id = $1, taken_epoch = 1", op_id
    )
    async with casino.daemon():
        await casino.until_caught_up()
    assert await casino.mirror() == await casino.durable_state()
    assert (await read_position(casino.connection, PARTITION)).taken_epoch == 2


async def test_given_an_event_in_postgres_beyond_its_cursor_when_followed_then_stopped(
    casino: Casino,
) -> None:
    await casino.have_played()
    reply = await casino.pull(1)
    await casino.connection.execute(
        "INSERT INTO events SELECT partition, epoch, $1, ts_ms, created, type, uid, tier, op_id, idempotency_key,"
        " request_hash, economy, rules, terms, result, changes FROM events WHERE seq = 2",
        reply.receipt.seq,
    )
    await _require_stopped(casino, "event_conflict")


async def test_given_a_clock_behind_the_last_event_when_opened_then_waited_until_it_has_passed(
    casino: Casino,
) -> None:
    await casino.have_played()
    await casino.pretend_restart()
    ts_ms = await casino.connection.fetchval("SELECT ts_ms FROM partitions")
    await casino.connection.execute("UPDATE partitions SET ts_ms = ts_ms + 3600000")
    async with casino.daemon() as sync:
        await until_stopped(sync.status, "clock_behind")
        await casino.connection.execute("UPDATE partitions SET ts_ms = $1", ts_ms)
        await casino.until_open()


async def test_given_an_alarm_when_its_cause_is_gone_then_the_daemon_goes_on_by_itself(
    casino: Casino,
) -> None:
    await casino.have_played()
    installation = await casino.connection.fetchval("SELECT id FROM installation")
    await casino.connection.execute("UPDATE installation SET id = 'another'")
    async with casino.daemon() as sync:
        await until_stopped(sync.status, "installation")
        await casino.connection.execute("UPDATE installation SET id = $1", installation)
        await casino.until_open()
        await casino.pull(1)
        await casino.until_caught_up()
        await until_following(sync.status)


async def test_given_a_head_of_newer_scripts_when_started_then_stopped_and_nothing_is_touched(
    casino: Casino,
) -> None:
    await casino.have_played()
    await casino.transport.call("HSET", keys.head(PARTITION), "schema", "999")
    before: Any = await casino.transport.call("HGETALL", keys.head(PARTITION))
    async with casino.daemon() as sync:
        await until_stopped(sync.status, "partition")
        assert "upgrade croupier" in sync.status.detail
    assert await casino.transport.call("HGETALL", keys.head(PARTITION)) == before
