"""Failover to a replica that lagged, and back: Redis becomes what Postgres holds, without anybody's help."""

from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import asyncpg
import pytest
from msgspec.structs import replace

from croupier.scripts import Scripts
from croupier_schemas import keys
from croupier_sync.batch import apply
from croupier_sync.installation import read_installation
from croupier_sync.limits import DEFAULT_LIMITS
from croupier_sync.migrations import migrate
from croupier_sync.opening import Opener
from croupier_sync.outbox import read_after
from croupier_sync.position import read_position
from croupier_sync.projector import Projector
from croupier_sync.push import push
from croupier_sync.server import Server
from tests.sync.failover import Pair, started_pair
from tests.sync.healed import heals, require_keys_gone, require_replies, require_whole
from tests.sync.rounds import Rounds
from tests.sync.support import PARTITION, Casino, until, until_following


@pytest.fixture
async def pair(database_url: str, connection: asyncpg.Connection, tmp_path: Path) -> AsyncIterator[Pair]:
    await migrate(connection)
    with started_pair(tmp_path, database_url) as pair:
        yield pair


async def _play_followed(casino: Casino, rounds: Rounds, count: int) -> None:
    async with casino.daemon():
        await casino.until_open()
        await rounds.play(casino.engine, count)
        await casino.until_caught_up()


async def _play_unfollowed(casino: Casino, rounds: Rounds, count: int) -> list[str]:
    """The entries of these rounds, newest first."""
    before = await casino.last_entry()
    assert before is not None
    await rounds.play(casino.unfollowed_engine(), count)
    log = await casino.log()
    return [event.id.entry for event in reversed(log) if (event.id.epoch, event.id.seq) > before]


async def _require_healed(casino: Casino, rounds: Rounds) -> None:
    """The daemon opens the partition; it is whole, knows its replies, and is played in."""
    async with casino.daemon() as sync:
        await casino.until_open()
        await casino.until_caught_up()
        await require_whole(casino)
        assert await require_replies(casino, rounds) > 0
        await require_keys_gone(casino)
        await Rounds(Random(9)).play(casino.engine, 30)
        await casino.until_caught_up()
        await require_whole(casino)
        await until_following(sync.status)


async def test_given_a_replica_that_lagged_when_promoted_then_what_it_missed_is_brought_back(
    pair: Pair,
) -> None:
    rounds = Rounds(Random(1))
    async with pair.on(pair.first) as casino:
        await _play_followed(casino, rounds, 60)
        pair.promote_second()
        missed = len(await casino.log())
        await _play_followed(casino, rounds, 40)
        missed = len(await casino.log()) - missed
        pair.first.kill()
    async with pair.on(pair.second) as casino:
        await _require_healed(casino, rounds)
        (heal,) = await heals(casino)
        assert (heal["cause"], heal["forked"], heal["missing"]) == ("redis_behind", [], missed)
        assert not heal["rebuilt"]


async def test_given_a_server_left_and_come_back_to_when_it_has_a_fork_then_that_is_undone_and_listed(
    pair: Pair,
) -> None:
    rounds, elsewhere, undone = Rounds(Random(2)), Rounds(Random(3)), Rounds(Random(4))
    async with pair.on(pair.first) as first:
        await _play_followed(first, rounds, 60)
        pair.promote_second()
        await _play_followed(first, rounds, 20)
        forked = await _play_unfollowed(first, undone, 15)
        async with pair.on(pair.second) as second:
            await _require_healed(second, rounds)
            await _play_followed(second, elsewhere, 30)
        # The first has run all the while, open under its old name.
        forked = await _play_unfollowed(first, undone, 10) + forked
        rounds.answered += elsewhere.answered + undone.answered
        await _require_healed(first, rounds)
        (_, heal) = await heals(first)
        assert (heal["cause"], heal["forked"], heal["rebuilt"]) == ("redis_behind", forked, False)
        assert heal["common_entry"] is not None and heal["seconds"] is not None


@pytest.mark.parametrize("played_meanwhile", [True, False])
async def test_given_a_daemon_that_follows_when_postgres_has_gone_on_elsewhere_then_it_closes_and_heals_by_itself(
    pair: Pair, played_meanwhile: bool
) -> None:
    rounds = Rounds(Random(5))
    async with pair.on(pair.first) as first, first.daemon() as sync:
        await first.until_open()
        await rounds.play(first.engine, 40)
        await first.until_caught_up()
        before = await first.head()
        pair.promote_second()
        async with pair.on(pair.second) as second:
            opener = Opener(second.connection, Scripts(), Projector(), PARTITION, DEFAULT_LIMITS)
            await opener.open(Server(second.transport), await read_installation(second.connection))
            # Its first event reaches Postgres, as by a daemon of its own.
            position = await read_position(second.connection, PARTITION)
            events = await read_after(second.transport, await second.stream(), position, 10)
            await apply(second.connection, Projector(), position, events)
        lost = [await first.pull(77)] if played_meanwhile else []

        async def healed() -> bool:
            return len(await heals(first)) == 1 and sync.status.state == "following"

        await until(healed, "the heal")
        after = await first.head()
        assert before is not None and after is not None and before.fence != after.fence
        # This engine still believes in the old name.
        again = await first.pull(77)
        assert all(again.receipt.nonce > each.receipt.nonce for each in lost)
        await first.until_caught_up()
        await require_whole(first)
        (heal,) = await heals(first)
        assert heal["forked"] == [each.receipt.event_id.partition("-")[2] for each in lost]


async def test_given_an_economy_pushed_on_a_fork_when_healed_then_the_one_before_is_in_force_and_it_can_come_again(
    pair: Pair,
) -> None:
    rounds = Rounds(Random(6))
    async with pair.on(pair.first) as first:
        await _play_followed(first, rounds, 30)
        before = await first.head()
        pair.promote_second()
        banners = {**first.economy.gacha.banners, "second": first.economy.gacha.banners["festival"]}
        economy = replace(first.economy, gacha=replace(first.economy.gacha, banners=banners))
        name, _ = await push(first.transport, first.connection, economy)
        await first.pull(1, banner="second")
        async with pair.on(pair.second) as second:
            await _play_followed(second, rounds, 10)
        assert (
            await first.transport.call(
                "EXISTS", keys.economy(PARTITION, name), keys.pool(PARTITION, "second")
            )
            == 2
        )
        await _require_healed(first, rounds)
        head = await first.head()
        assert head is not None and before is not None and head.economy == before.economy
        assert (
            await first.transport.call(
                "EXISTS", keys.economy(PARTITION, name), keys.pool(PARTITION, "second")
            )
            == 0
        )
        async with first.daemon():
            await first.until_open()
            assert await push(first.transport, first.connection, economy) == (name, True)
            await first.pull(1, banner="second")
            await first.until_caught_up()
            await require_whole(first)
