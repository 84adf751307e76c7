"""A Postgres that is an old copy, beside a Redis that has trimmed what it lacks."""

from random import Random

from croupier.economy import version
from croupier_schemas.economy import Economy
from croupier_sync.push import push
from tests.sync.rounds import Rounds
from tests.sync.support import Casino


async def old_copy(casino: Casino, pushed: Economy | None = None) -> int:
    """Postgres is set back to before some rounds, which the outbox has lost but for the last ones; how many it has.

    An economy that is pushed comes before these rounds.
    """
    await casino.have_played()
    before = await casino.cursor()
    assert before is not None
    summaries = ("game_stats", "crash_sessions", "game_sessions", "gacha_daily", "pool_hours")
    for table in summaries:
        await casino.connection.execute(f"CREATE TABLE old_{table} AS SELECT * FROM {table}")
    cursor = await casino.connection.fetchrow("SELECT op_id, ts_ms FROM partitions")
    async with casino.daemon():
        if pushed is not None:
            await push(casino.transport, casino.connection, pushed)
        await Rounds(Random(1)).play(casino.unfollowed_engine(), 40)
        await casino.until_caught_up()
    if pushed is not None:
        await casino.connection.execute("DELETE FROM economy_versions WHERE version = $1", version(pushed))
    tables = ("events", "game_history", "wallet_ledger", "user_rewards", "projection_failures")
    for table in tables:
        await casino.connection.execute(f"DELETE FROM {table} WHERE (epoch, seq) > ($1, $2)", *before)
    await casino.connection.execute("DELETE FROM mirror WHERE (epoch, seq) > ($1, $2)", *before)
    for table in summaries:
        await casino.connection.execute(f"DELETE FROM {table}")
        await casino.connection.execute(f"INSERT INTO {table} SELECT * FROM old_{table}")
        await casino.connection.execute(f"DROP TABLE old_{table}")
    await casino.connection.execute(
        "UPDATE partitions SET epoch = $1, seq = $2, op_id = $3, ts_ms = $4", *before, *cursor
    )
    kept = 10
    await casino.transport.call("XTRIM", await casino.stream(), "MAXLEN", kept)
    return kept
