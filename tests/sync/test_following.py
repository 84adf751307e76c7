"""From the outbox to Postgres: every event once, the mirror equal to Redis, rows that add up."""

import asyncio
import random
from contextlib import AsyncExitStack

import pytest
from msgspec.structs import replace

from croupier.economy import canonical
from croupier.economy import version as economy_version
from croupier.errors import CroupierError
from croupier_schemas.events import EventId
from croupier_sync import outbox
from croupier_sync.batch import apply, work_out, work_out_ahead
from croupier_sync.digests import chained
from croupier_sync.errors import Superseded
from croupier_sync.limits import Limits
from croupier_sync.outbox import read_after
from croupier_sync.position import read_position
from croupier_sync.projector import Projector
from croupier_sync.push import push
from tests.sync.support import PARTITION, Casino, until

UIDS = (1, 2, 3, 42, 2**53 - 1)

END_OWNER = """
SELECT pg_terminate_backend(pid) FROM pg_locks
WHERE locktype = 'advisory' AND granted
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


async def _play(casino: Casino, pulls: int, seed: int = 1) -> None:
    """Random pulls of several players on every banner, in tokens and gems, with a rotation now and then."""
    chance = random.Random(seed)
    for _ in range(pulls):
        uid = chance.choice(UIDS)
        banner = chance.choice(("standard", "festival", "spotlight"))
        gems = banner == "festival" and chance.random() < 0.5
        await casino.pull(uid, chance.choice((1, 1, 10)), banner=banner, gems=gems)
        if chance.random() < 0.1:
            await casino.rotate(chance.choice((*UIDS, 7, 8)))


async def _ids(casino: Casino) -> list[EventId]:
    """The events that Postgres holds, in order."""
    rows = await casino.connection.fetch(
        "SELECT partition, epoch, seq FROM events ORDER BY partition, epoch, seq"
    )
    return [EventId(*row) for row in rows]


async def test_given_random_pulls_when_followed_then_postgres_is_what_the_log_says(casino: Casino) -> None:
    async with casino.daemon() as sync:
        await casino.until_open()
        await _play(casino, 60)
        await casino.until_caught_up()
        log = await casino.log()
        assert len(log) > 60
        assert sync.status.applied == len(log)
        assert sync.projector.failures == 0
    await casino.require_events_are(log)
    await casino.require_mirror()
    await casino.require_ledger_adds_up()
    pulls = [event for event in log if event.header.type == "gacha.pulled"]
    rows = await casino.connection.fetch("SELECT epoch, seq, uid FROM game_history ORDER BY epoch, seq")
    assert [tuple(row) for row in rows] == [(each.id.epoch, each.id.seq, each.header.uid) for each in pulls]


async def test_given_batches_of_every_small_size_when_followed_then_none_is_lost_at_a_boundary(
    casino: Casino,
) -> None:
    async with casino.daemon():
        await casino.until_open()
        await casino.until_caught_up()
    for batch_max in (1, 2, 5):
        await _play(casino, 10, seed=batch_max)  # two batches of five end exactly with the log
        async with casino.daemon(Limits(batch_max=batch_max)):
            await casino.until_caught_up()
    await casino.require_events_are(await casino.log())
    await casino.require_mirror()


async def test_given_a_backlog_of_many_batches_read_in_parts_when_followed_then_the_chain_of_digests_spans_them(
    casino: Casino, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with casino.daemon():
        await casino.until_open()
        await casino.until_caught_up()
    await _play(casino, 40)
    monkeypatch.setattr(outbox, "_ENTRIES_PER_REPLY", 3)
    async with casino.daemon(Limits(batch_max=7)) as sync:
        await casino.until_caught_up()
        assert sync.projector.failures == 0
    log = await casino.log()
    await casino.require_events_are(log)
    await casino.require_mirror()
    digests = await casino.connection.fetch("SELECT digest FROM events ORDER BY epoch, seq")
    assert [row["digest"] for row in digests] == [row[-1] for row in chained(b"", log)]


async def test_given_events_of_an_economy_that_only_postgres_has_when_worked_out_ahead_then_it_waits_for_its_turn(
    casino: Casino,
) -> None:
    async with casino.daemon():
        await casino.until_open()
        await casino.until_caught_up()
    await _play(casino, 10)
    position = await read_position(casino.connection, PARTITION)
    events = await read_after(casino.transport, await casino.stream(), position, 100)
    anew = Projector()

    assert await work_out_ahead(anew, events, b"") is None

    in_turn = await work_out(casino.connection, anew, position, events)
    digest = in_turn.rows[0][-1]
    assert await work_out_ahead(anew, events[1:], digest) == await work_out(
        casino.connection, anew, position.after(events[:1]), events[1:], digest
    )


async def test_given_an_economy_pushed_among_pulls_when_followed_then_each_pull_has_the_items_of_its_own(
    casino: Casino,
) -> None:
    async with casino.daemon():
        before = (await casino.until_open()).economy
        pulling = asyncio.create_task(_play(casino, 60))
        await until(casino.cursor, "something to be followed")
        cheaper = replace(casino.economy, initial_gems=5)
        after, changed = await push(casino.transport, casino.connection, cheaper)
        assert changed
        await pulling
        await casino.pull(1)
        await casino.until_caught_up()
        assert await push(casino.transport, casino.connection, cheaper) == (after, False)
    economies = [row["economy"].hex() for row in await casino.connection.fetch("SELECT economy FROM events")]
    assert {before, after} <= set(economies)
    versions = await casino.connection.fetch("SELECT version FROM economy_versions")
    assert {row["version"] for row in versions} == {before, after}
    assert await casino.connection.fetchval("SELECT count(*) FROM projection_failures") == 0
    await casino.require_mirror()


async def test_given_a_push_when_nobody_follows_then_postgres_has_the_economy_before_any_event_of_it(
    casino: Casino,
) -> None:
    with pytest.raises(CroupierError, match="NOT_READY"):
        await push(casino.transport, casino.connection, casino.economy)
    version, canonical_form = economy_version(casino.economy), canonical(casino.economy)
    rows = await casino.connection.fetch("SELECT version, canonical FROM economy_versions")
    assert [tuple(row) for row in rows] == [(version, canonical_form)]


async def test_given_more_events_than_are_kept_when_followed_then_the_outbox_is_trimmed_behind_the_cursor(
    casino: Casino,
) -> None:
    limits = Limits(batch_max=7, outbox_kept=10)
    async with casino.daemon(limits):
        await casino.until_open()
        await _play(casino, 40)
        await casino.until_caught_up()

        async def trimmed() -> bool:
            return len(await casino.log()) == limits.outbox_kept

        await until(trimmed, "the outbox to be trimmed")
        first = (await casino.log())[0].id
        cursor = await casino.cursor()
        assert cursor == await casino.last_entry()
    ids = await _ids(casino)
    assert len(ids) > 40
    assert ids[-limits.outbox_kept] == first
    assert [each.seq for each in ids] == list(range(len(ids)))


async def test_given_nobody_who_follows_when_trimming_is_due_then_nothing_beyond_the_cursor_goes(
    casino: Casino,
) -> None:
    limits = Limits(batch_max=2, outbox_kept=1)
    async with casino.daemon(limits):
        await casino.until_open()
        await casino.until_caught_up()
    await _play(casino, 20)
    log = await casino.log()
    assert len(log) > 20
    async with casino.daemon(limits):
        await casino.until_caught_up()
    assert [each.seq for each in await _ids(casino)] == list(range(log[-1].id.seq + 1))
    await casino.require_mirror()
    head = await casino.head()
    assert head is not None and head.epoch == log[-1].id.epoch  # no alarm has stopped it meanwhile


async def test_given_several_daemons_under_load_when_the_working_one_stops_then_another_goes_on(
    casino: Casino,
) -> None:
    async with AsyncExitStack() as others:
        async with casino.daemon() as first:
            await casino.until_open()
            await until(casino.cursor, "something to be followed")
            second, third = [await others.enter_async_context(casino.daemon()) for _ in range(2)]

            async def waiting() -> bool:
                return second.status.state == third.status.state == "waiting"

            await until(waiting, "the others to wait for their turn")
            await _play(casino, 50)
            assert second.status.applied + third.status.applied == 0
            pulling = asyncio.create_task(_play(casino, 200, seed=2))
        await pulling
        await casino.until_caught_up()
        log = await casino.log()
        applied = [sync.status.applied for sync in (first, second, third)]
    assert sum(applied) == len(log)
    assert 0 in applied[1:]
    assert 0 < applied[0] < len(log)
    await casino.require_events_are(log)
    await casino.require_mirror()
    await casino.require_ledger_adds_up()


async def test_given_the_owners_session_ended_by_postgres_when_it_works_then_every_event_is_applied_once(
    casino: Casino,
) -> None:
    # With the outbox trimmed at once, an owner that does not know yet that it is none sees its cursor's event gone.
    limits = Limits(outbox_kept=1)
    async with casino.daemon(limits) as first, casino.daemon(limits) as second:
        await casino.until_open()
        for seed in range(5):
            pulling = asyncio.create_task(_play(casino, 20, seed))
            await casino.connection.execute(END_OWNER)
            await pulling
        await casino.until_caught_up()
        last = await casino.last_entry()
        # A batch whose commit was not confirmed counts nowhere.
        assert first.status.applied + second.status.applied <= (await casino.log())[-1].id.seq + 1
    ids = await _ids(casino)
    assert last == (1, ids[-1].seq)
    assert [(each.epoch, each.seq) for each in ids] == [(1, seq) for seq in range(len(ids))]
    await casino.require_mirror()
    await casino.require_ledger_adds_up()


async def test_given_a_daemon_that_slept_after_reading_when_another_moved_on_then_its_commit_changes_nothing(
    casino: Casino,
) -> None:
    async with casino.daemon():
        await casino.until_open()
        await casino.until_caught_up()
    await casino.pull(1)
    stale = await read_position(casino.connection, PARTITION)
    read_before_sleep = await read_after(casino.transport, await casino.stream(), stale, 100)
    await casino.pull(2)
    async with casino.daemon():
        await casino.until_caught_up()
    before = await casino.dump()
    with pytest.raises(Superseded):
        await apply(casino.connection, Projector(), stale, read_before_sleep)
    assert await casino.dump() == before
