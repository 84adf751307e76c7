"""`croupier adopt`: Redis wins over a Postgres that is an old copy, on an operator's word."""

import pytest

from croupier.economy import version
from croupier_sync.adopting import AdoptionRefused, adopt, find_gap
from croupier_sync.server import Server
from tests.cli.support import croupier, environment
from tests.sync.old_copy import old_copy
from tests.sync.support import PARTITION, Casino, generous_economy, until_following, until_stopped
from tests.sync.verified import verdict


async def test_given_an_old_copy_of_postgres_when_redis_is_adopted_then_it_goes_on_with_what_redis_holds(
    casino: Casino,
) -> None:
    kept = await old_copy(casino)
    state, log = await casino.durable_state(), await casino.log()
    async with casino.daemon() as sync:
        await until_stopped(sync.status, "postgres_old")
        env = environment(REDIS_URL=casino.redis_url, DATABASE_URL=casino.database_url)
        outcome = croupier("adopt", env=env)
        outcome.require_refusal()
        assert "say --yes" in outcome.stderr
        assert croupier("adopt", "--yes", env=env).stdout == (
            f"partition 0: {kept} events and {len({key for key, _ in state})} keys taken over from Redis\n"
        )
        await casino.until_open()
        await casino.pull(50)
        await casino.until_caught_up()
        await until_following(sync.status)
        await casino.require_mirror()
    state_now = await casino.durable_state()
    assert {place: state_now[place] for place in state} == state
    rows = await casino.connection.fetch("SELECT epoch, seq FROM events ORDER BY epoch, seq")
    assert [(event.id.epoch, event.id.seq) for event in log] == [tuple(row) for row in rows][-kept - 2 : -2]
    gap = await casino.connection.fetchrow("SELECT * FROM adoptions")
    assert gap["first_entry"] == log[0].id.entry


async def test_given_a_partition_that_is_not_stopped_for_it_when_asked_then_refused_and_nothing_changes(
    casino: Casino,
) -> None:
    await casino.have_played()
    before = await casino.dump()
    with pytest.raises(AdoptionRefused, match="nothing to adopt"):
        await find_gap(Server(casino.transport), casino.connection, PARTITION)
    await casino.administer("FLUSHALL")
    with pytest.raises(AdoptionRefused, match="nothing to adopt"):
        await find_gap(Server(casino.transport), casino.connection, PARTITION)
    assert await casino.dump() == before


async def test_given_a_gap_that_changed_when_adopted_then_refused_and_nothing_changes(casino: Casino) -> None:
    await old_copy(casino)
    async with casino.daemon() as sync:
        await until_stopped(sync.status, "postgres_old")
    server = Server(casino.transport)
    gap = await find_gap(server, casino.connection, PARTITION)
    await casino.transport.call("XTRIM", await casino.stream(), "MAXLEN", 5)
    before = await casino.dump()
    with pytest.raises(AdoptionRefused, match="has changed"):
        await adopt(server, casino.connection, gap)
    assert await casino.dump() == before


async def test_given_an_economy_pushed_in_the_gap_when_adopted_then_events_are_projected_and_a_heal_keeps_it(
    casino: Casino,
) -> None:
    # Given
    pushed = generous_economy(initial_tokens=10**8)
    await old_copy(casino, pushed)

    # When
    async with casino.daemon() as sync:
        await until_stopped(sync.status, "postgres_old")
        server = Server(casino.transport)
        await adopt(server, casino.connection, await find_gap(server, casino.connection, PARTITION))
        adopted = await casino.until_open()
        await casino.pull(50)
        await casino.until_caught_up()
        await casino.administer("FLUSHALL")
        healed = await casino.until_open()
        await casino.until_caught_up()

    # Then
    assert adopted.economy == healed.economy == version(pushed)
    assert healed.epoch > adopted.epoch
    assert await casino.connection.fetchval("SELECT count(*) FROM projection_failures") == 0
    assert (await verdict(casino)).problems == []
