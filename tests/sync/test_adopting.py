"""`croupier adopt`: Redis wins over a Postgres that is an old copy, on an operator's word."""

from random import Random

import pytest

from croupier_sync.adopting import AdoptionRefused, adopt, find_gap
from croupier_sync.server import Server
from tests.cli.support import croupier, environment
from tests.sync.rounds import Rounds
from tests.sync.support import PARTITION, Casino, until_stopped


async def _old_copy(casino: Casino) -> int:
    """Postgres is set back to before some rounds, which the outbox has lost but for the last ones; how many it has."""
    await casino.have_played()
    before = await casino.cursor()
    assert before is not None
    cursor = await casino.connection.fetchrow("SELECT op_id, ts_ms FROM partitions")
    async with casino.daemon():
        await Rounds(Random(1)).play(casino.unfollowed_engine(), 40)
        await casino.until_caught_up()
    tables = ("events", "game_history", "wallet_ledger", "user_rewards", "projection_failures")
    for table in tables:
        await casino.connection.execute(f"DELETE FROM {table} WHERE (epoch, seq) > ($1, $2)", *before)
    await casino.connection.execute("DELETE FROM mirror WHERE (epoch, seq) > ($1, $2)", *before)
    for table in ("game_stats", "crash_sessions", "game_sessions", "gacha_daily"):
        await casino.connection.execute(f"DELETE FROM {table}")
    await casino.connection.execute(
        "UPDATE partitions SET epoch = $1, seq = $2, op_id = $3, ts_ms = $4", *before, *cursor
    )
    kept = 10
    await casino.transport.call("XTRIM", await casino.stream(), "MAXLEN", kept)
    return kept


async def test_given_an_old_copy_of_postgres_when_redis_is_adopted_then_it_goes_on_with_what_redis_holds(
    casino: Casino,
) -> None:
    kept = await _old_copy(casino)
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
        assert sync.status.state == "following"
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
    await casino.transport.call("FLUSHALL")
    with pytest.raises(AdoptionRefused, match="nothing to adopt"):
        await find_gap(Server(casino.transport), casino.connection, PARTITION)
    assert await casino.dump() == before


async def test_given_a_gap_that_changed_when_adopted_then_refused_and_nothing_changes(casino: Casino) -> None:
    await _old_copy(casino)
    async with casino.daemon() as sync:
        await until_stopped(sync.status, "postgres_old")
    server = Server(casino.transport)
    gap = await find_gap(server, casino.connection, PARTITION)
    await casino.transport.call("XTRIM", await casino.stream(), "MAXLEN", 5)
    before = await casino.dump()
    with pytest.raises(AdoptionRefused, match="has changed"):
        await adopt(server, casino.connection, gap)
    assert await casino.dump() == before
