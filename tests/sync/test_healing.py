"""Healing a partition: what comes back, what is undone, and that nobody else can disturb it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from random import Random
from typing import Any

import asyncpg
import pytest
from msgspec.structs import replace

from croupier.durability import Durability
from croupier.engine import Engine
from croupier.partition import begin_healing, close
from croupier.scripts import Scripts
from croupier.sweeper import Sweeper
from croupier.transport import Unavailable
from croupier_schemas import keys
from croupier_schemas.crash import CrashBet
from croupier_schemas.records import PLAYER
from croupier_sync import healing
from croupier_sync.comparing import Comparison, compare
from croupier_sync.errors import Superseded
from croupier_sync.installation import read_installation
from croupier_sync.limits import DEFAULT_LIMITS, Limits
from croupier_sync.marked import MarkedPartition
from croupier_sync.opening import Opener
from croupier_sync.position import read_position, take_epoch
from croupier_sync.projector import Projector
from croupier_sync.push import push
from croupier_sync.server import Server
from tests.sync.healed import (
    heals,
    indexes,
    kept_replies,
    require_keys_expire,
    require_keys_gone,
    require_replies,
    require_whole,
)
from tests.sync.rounds import Rounds
from tests.sync.support import OTHER_SERVER, PARTITION, Casino, until, until_following, until_stopped


@pytest.fixture
async def casino(casino: Casino, database_url: str) -> AsyncIterator[Casino]:
    """The casino of these tests, with an engine that asks Postgres."""
    async with asyncpg.create_pool(database_url, min_size=1, max_size=4) as pool:
        casino.engine = Engine(casino.transport, casino.engine.settings, Durability(pool, timeout_s=5.0))
        yield casino


async def _played(
    casino: Casino, count: int = 60, *, seed: int = 1, limits: Limits = DEFAULT_LIMITS
) -> Rounds:
    """Rounds of all games, followed to the end; no daemon runs afterwards."""
    rounds = Rounds(Random(seed))
    async with casino.daemon(limits):
        await casino.until_open()
        await rounds.play(casino.engine, count)
        await casino.until_caught_up()
    return rounds


async def _fork(casino: Casino, count: int = 10) -> list[str]:
    """Rounds that Postgres will never take, because it has gone on elsewhere; their entries, newest first."""
    before = await casino.last_entry()
    assert before is not None
    await Rounds(Random(2)).play(casino.unfollowed_engine(), count)
    await take_epoch(casino.connection, await read_position(casino.connection, PARTITION), OTHER_SERVER)
    return [
        event.id.entry for event in reversed(await casino.log()) if (event.id.epoch, event.id.seq) > before
    ]


async def _heal(casino: Casino) -> Any:
    """A daemon heals; the row that says so."""
    before = len(await heals(casino))

    async def healed() -> bool:
        rows = await heals(casino)
        return len(rows) > before and rows[-1]["seconds"] is not None

    async with casino.daemon():
        await until(healed, "the heal")
        await casino.until_open()
        await casino.until_caught_up()
    await require_whole(casino)
    await require_keys_gone(casino)
    return (await heals(casino))[-1]


def _opener(casino: Casino) -> Opener:
    return Opener(casino.connection, Scripts(), Projector(), PARTITION, DEFAULT_LIMITS)


async def test_given_an_empty_redis_when_started_then_it_is_made_from_postgres_and_no_pool_is_filled_again(
    casino: Casino,
) -> None:
    rounds = await _played(casino)
    before, bets, head = await casino.durable_state(), await indexes(casino), await casino.head()
    kept = await kept_replies(casino)
    pool = keys.pool(PARTITION, "festival")
    assert any(name == pool for name, _ in before)
    await casino.connection.execute(
        "UPDATE mirror SET value = '1' WHERE key = $1 AND field = 'Legendary'", pool
    )
    await casino.administer("FLUSHALL")
    async with casino.daemon():
        await casino.until_open()
        await casino.until_caught_up()
        assert await casino.durable_state() == before | {(pool, "Legendary"): b"1"}
        assert await indexes(casino) == bets
        assert await casino.transport.call("HGET", pool, "Legendary") == b"1"
        assert await kept_replies(casino) == kept
        await require_keys_expire(casino, DEFAULT_LIMITS.kept_s)
        assert await require_replies(casino, rounds) > 0
    after = await casino.head()
    assert head is not None and after is not None and after.economy == head.economy
    assert [event.header.type for event in await casino.log()][1:] == ["epoch.opened"]
    (heal,) = await heals(casino)
    assert (heal["cause"], heal["from_entry"], heal["common_entry"]) == ("redis_empty", None, None)
    assert heal["rebuilt"] and heal["forked"] == []


async def test_given_an_empty_redis_when_healed_under_a_daemon_that_follows_then_it_goes_on_by_itself(
    casino: Casino,
) -> None:
    async with casino.daemon() as sync:
        await casino.until_open()
        await casino.pull(1)
        await casino.until_caught_up()
        await casino.administer("FLUSHALL")
        await casino.until_open()
        await casino.pull(1)
        await casino.until_caught_up()
        await until_following(sync.status)
    await require_whole(casino)


async def test_given_events_of_a_sealed_epoch_when_healed_then_they_are_undone_and_listed(
    casino: Casino,
) -> None:
    rounds = await _played(casino)
    before, bets = await casino.durable_state(), await indexes(casino)
    cursor = await casino.last_entry()
    forked = await _fork(casino)
    assert forked and await casino.durable_state() != before
    heal = await _heal(casino)
    assert await casino.durable_state() == before
    assert await indexes(casino) == bets
    assert (heal["cause"], heal["forked"], heal["missing"]) == ("epoch_sealed", forked, 0)
    assert cursor is not None and heal["common_entry"] == f"{cursor[0]}-{cursor[1]}"
    assert not heal["rebuilt"]
    assert await require_replies(casino, rounds) > 0


async def test_given_a_fork_when_healed_then_the_same_requests_are_done_anew_with_other_nonces(
    casino: Casino,
) -> None:
    await _played(casino)
    undone = Rounds(Random(3))
    await undone.play(casino.unfollowed_engine(), 10)
    await take_epoch(casino.connection, await read_position(casino.connection, PARTITION), OTHER_SERVER)
    await _heal(casino)
    pulls = [answered for answered in undone.answered if answered.command.name == "gacha.pull"]
    assert pulls
    for answered in pulls:
        again = await undone.repeat(casino.engine, answered)
        assert not again.replayed
        assert again.reply.receipt.nonce > 2 * 10**9 > answered.reply.receipt.nonce


async def test_given_an_outbox_that_was_trimmed_when_it_has_nothing_in_common_then_every_key_is_written_anew(
    casino: Casino,
) -> None:
    rounds = await _played(casino)
    before = await casino.durable_state()
    await casino.transport.call("XTRIM", await casino.stream(), "MAXLEN", 0)
    await casino.transport.call(
        "SET", keys.player(PARTITION, 999), b"of somebody that Postgres does not know"
    )
    await casino.transport.call("SETRANGE", keys.player(PARTITION, 1), 5, b"\xff")
    await casino.transport.call("ZADD", keys.crash_open(PARTITION), 1, "999")
    heal = await _heal(casino)
    assert await casino.durable_state() == before
    assert (heal["common_entry"], heal["missing"], heal["rebuilt"]) == (None, None, True)
    assert await require_replies(casino, rounds) > 0


async def test_given_more_events_missing_than_are_worth_looking_at_when_healed_then_every_key_is_written_anew(
    casino: Casino, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds = await _played(casino)
    before = await casino.durable_state()
    monkeypatch.setattr(healing, "MISSING_MAX", 2)
    for event in (await casino.log())[-3:]:
        await casino.administer("XDEL", await casino.stream(), event.id.entry)
    heal = await _heal(casino)
    assert await casino.durable_state() == before
    assert (heal["missing"], heal["rebuilt"]) == (3, True)
    assert await require_replies(casino, rounds) > 0


async def test_given_an_entry_that_is_no_event_on_a_fork_when_compared_then_nothing_follows_from_what_is_common(
    casino: Casino,
) -> None:
    await _played(casino)
    forked = await _fork(casino)
    bad: Any = await casino.transport.call("XADD", await casino.stream(), "1-*", "what", "ever")
    head = await casino.head()
    assert head is not None
    await close(casino.transport, Scripts(), PARTITION, head)
    found = await compare(Server(casino.transport), casino.connection, PARTITION)
    assert (found.last_entry, found.common, found.missing) == (bad.decode(), None, None)
    assert [each.entry for each in found.forked] == [bad.decode(), *forked]


async def _another_event(casino: Casino) -> None:
    await casino.connection.execute("UPDATE partitions SET op_id = '\\x00'")
    await casino.connection.execute(
        "UPDATE events e SET op_id = '\\x00' FROM partitions p WHERE (e.epoch, e.seq) = (p.epoch, p.seq)"
    )


async def _cursors_event_deleted(casino: Casino) -> None:
    cursor = (await casino.log())[-1].id
    await casino.pull(1)
    await casino.administer("XDEL", await casino.stream(), cursor.entry)


async def _end_lost(casino: Casino) -> None:
    await casino.administer("XDEL", await casino.stream(), (await casino.log())[-1].id.entry)


@pytest.mark.parametrize(
    ("breaking", "cause", "forked", "missing"),
    [
        (_another_event, "fork", 1, 1),
        (_cursors_event_deleted, "fork", 1, 1),
        (_end_lost, "redis_behind", 0, 1),
    ],
)
@pytest.mark.parametrize("restarted", [False, True])
async def test_given_a_log_that_is_not_postgres_when_followed_or_opened_then_healed(
    casino: Casino,
    breaking: Callable[[Casino], Awaitable[None]],
    cause: str,
    forked: int,
    missing: int,
    restarted: bool,
) -> None:
    await _played(casino)
    before = await casino.durable_state()
    await breaking(casino)
    if restarted:
        await casino.pretend_restart()
    heal = await _heal(casino)
    assert await casino.durable_state() == before
    assert (heal["cause"], len(heal["forked"]), heal["missing"]) == (cause, forked, missing)


async def test_given_crash_bets_open_across_a_heal_when_swept_then_they_are_settled_by_the_rules(
    casino: Casino,
) -> None:
    async with casino.daemon():
        await casino.until_open()
        rounds = Rounds(Random(7))
        for uid in (1, 2, 3):
            await rounds.bet(casino.engine, uid, CrashBet(1_000, 1.01))
        await casino.until_caught_up()
    await casino.administer("FLUSHALL")
    async with casino.daemon():
        await casino.until_open()
        sweeper = Sweeper(casino.engine, PARTITION)

        async def settled() -> bool:
            await sweeper.tick()
            return (await indexes(casino))[0] == {}

        await until(settled, "the rounds to be settled")
        await casino.until_caught_up()
        await require_whole(casino)
        rows = await casino.connection.fetch("SELECT status, payout_amount FROM crash_sessions")
        assert len(rows) == 3
        for row in rows:
            assert row["payout_amount"] == (1_010 if row["status"] == "cashed" else 0)
        for uid in (1, 2, 3):
            record: Any = await casino.transport.call("GET", keys.player(PARTITION, uid))
            assert PLAYER.unpack(record).payout_max == 0
        await casino.require_ledger_adds_up()


async def test_given_a_healer_that_slept_when_another_has_healed_and_opened_then_it_can_write_nothing(
    casino: Casino, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _played(casino)
    await _fork(casino)
    installation = await read_installation(casino.connection)

    async def overtaken(server: Server, connection: Any, partition: int) -> Comparison:
        found = await compare(server, connection, partition)
        monkeypatch.setattr(healing, "compare", compare)
        async with casino.daemon():
            await casino.until_open()
            await Rounds(Random(4)).play(casino.engine, 20)
            await casino.until_caught_up()
        return found

    monkeypatch.setattr(healing, "compare", overtaken)
    with pytest.raises(Superseded):
        await _opener(casino).open(Server(casino.transport), installation)
    async with casino.daemon():
        await casino.until_caught_up()
    await require_whole(casino)


async def test_given_a_connection_lost_while_healing_when_begun_again_then_it_comes_to_its_end(
    casino: Casino, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _played(casino)
    before = await casino.durable_state()
    await _fork(casino)

    async def cut_off(server: Server, connection: Any, partition: int) -> Comparison:
        found = await compare(server, connection, partition)
        casino.transport.reconnect("the test says so")
        return found

    monkeypatch.setattr(healing, "compare", cut_off)
    with pytest.raises(Unavailable):
        await _opener(casino).open(Server(casino.transport), await read_installation(casino.connection))
    monkeypatch.setattr(healing, "compare", compare)

    async def connected() -> bool:
        return casino.transport.identity is not None

    await until(connected, "the connection")
    heal = await _heal(casino)
    assert await casino.durable_state() == before
    assert (heal["cause"], heal["rebuilt"]) == ("unfinished", True)


async def test_given_a_mark_when_an_earlier_healer_comes_then_it_cannot_take_the_partition_back(
    casino: Casino,
) -> None:
    await _played(casino, 5)
    head, scripts = await casino.head(), Scripts()
    assert head is not None
    assert not await begin_healing(casino.transport, scripts, PARTITION, 9)  # open
    assert await close(casino.transport, scripts, PARTITION, head)
    assert await begin_healing(casino.transport, scripts, PARTITION, 9)
    for epoch in (1, 8, 9):
        assert not await begin_healing(casino.transport, scripts, PARTITION, epoch)
    assert await begin_healing(casino.transport, scripts, PARTITION, 10)
    with pytest.raises(Superseded):
        await MarkedPartition(Server(casino.transport), scripts, PARTITION, 9).call(
            "SET", "{0}:player:1", "x"
        )


async def test_given_a_heal_that_did_not_end_when_opened_again_then_every_key_is_written_anew(
    casino: Casino,
) -> None:
    await _played(casino)
    before, head = await casino.durable_state(), await casino.head()
    assert head is not None
    await close(casino.transport, Scripts(), PARTITION, head)
    assert await begin_healing(casino.transport, Scripts(), PARTITION, 2)
    await casino.transport.call("DEL", keys.player(PARTITION, 1))
    heal = await _heal(casino)
    assert await casino.durable_state() == before
    assert (heal["cause"], heal["epoch"], heal["rebuilt"]) == ("unfinished", 3, True)


async def test_given_a_postgres_that_does_not_hold_its_cursors_event_when_to_be_healed_then_stopped(
    casino: Casino,
) -> None:
    await _played(casino, 10)
    await casino.administer("FLUSHALL")
    await casino.connection.execute("UPDATE partitions SET op_id = '\\x00'")
    before = await casino.dump()
    async with casino.daemon() as sync:
        await until_stopped(sync.status, "event_conflict")
        assert await casino.dump() == before
    assert await casino.administer("KEYS", "*") == []


async def test_given_an_economy_put_in_force_on_a_fork_when_healed_then_the_one_before_is(
    casino: Casino,
) -> None:
    await _played(casino, 10)
    head = await casino.head()
    economy = replace(casino.economy, initial_tokens=5)
    name, _ = await push(casino.transport, casino.connection, economy)
    await take_epoch(casino.connection, await read_position(casino.connection, PARTITION), OTHER_SERVER)
    await _heal(casino)
    after = await casino.head()
    assert head is not None and after is not None and after.economy == head.economy
    assert await casino.transport.call("EXISTS", keys.economy(PARTITION, name)) == 0
