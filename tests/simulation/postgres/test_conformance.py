"""The model does what Postgres does: the product's own functions give the same results, errors and tables on both."""

import asyncio
from random import Random
from typing import Any

import asyncpg
import pytest

from croupier.command import Caller
from croupier.op_id import OpIds
from croupier.rewards.distribute import DISTRIBUTE
from croupier_schemas.events import Event
from croupier_schemas.rewards import RewardsDistribute
from croupier_sync.batch import apply
from croupier_sync.errors import Superseded
from croupier_sync.position import read_position, take_epoch
from croupier_sync.projector import Projector
from tests.simulation.postgres.courses import PARTITION, PLAYERS, Course
from tests.simulation.postgres.sides import Side, model_side, real_side
from tests.sync.play import Players
from tests.sync.support import Casino

ROUNDS, STEPS = 60, 80


@pytest.fixture
async def log(casino: Casino, pool: asyncpg.Pool) -> list[Event]:
    """What three players did in all games, with sessions and rewards, as the outbox holds it."""
    rng = Random(1)
    async with casino.daemon():
        await casino.until_open()
        players = Players(casino, pool)
        for number in range(ROUNDS):
            uid = rng.choice(PLAYERS)
            if number % 15 == 0:
                session = await players.session(uid, "slot")
            await players.play(rng, uid)
            if number % 15 == 0:
                await players.end(uid, session.session_id)
                gift = RewardsDistribute(
                    uid, rng.choice(["TOKENS", "GEMS"]), 100, "gift", f"key-{number % 2}"
                )
                admin = Caller(900, "STANDARD", "admin", OpIds(players.clock).new())
                await players.engine.execute(DISTRIBUTE, admin, gift)
        await casino.until_caught_up()
    return await casino.log()


async def test_given_what_a_daemon_has_written_when_the_model_applies_the_same_log_then_its_tables_are_the_same(
    casino: Casino, log: list[Event], database_url: str
) -> None:
    model = model_side(await casino.connection.fetchval("SELECT id FROM installation"))
    connection = await model.connect()
    identity = str(casino.transport.identity)
    await take_epoch(connection, await read_position(connection, PARTITION), identity)
    projector = Projector()
    for start in range(0, len(log), 7):
        # An epoch is a batch of its own; this log has one.
        position = await read_position(connection, PARTITION)
        await apply(connection, projector, position, log[start : start + 7])
    mine, theirs = await model.dump(), {}
    async with real_side(database_url, emptied=False) as real:
        theirs = await real.dump()
    for said in (mine, theirs):
        said["partitions"] = [{**row, "state": "", "reason": "", "detail": ""} for row in said["partitions"]]
    assert {event.id.epoch for event in log} == {1}
    assert len(mine["events"]) == len(log) > ROUNDS
    assert mine == theirs
    for table in mine.keys() - {"projection_failures", "heals", "adoptions"}:
        assert mine[table], f"the log writes nothing into {table}"


async def test_given_random_courses_when_both_take_them_then_results_errors_and_tables_are_the_same(
    log: list[Event], casino: Casino, database_url: str
) -> None:
    installation = await casino.connection.fetchval("SELECT id FROM installation")
    seen: set[str] = set()
    for seed in range(4):
        model = model_side(installation)
        modelled = Course(model, seed, log)
        await modelled.run(STEPS)
        async with real_side(database_url) as real:
            really = Course(real, seed, log)
            await really.run(STEPS)
            for number, (mine, theirs) in enumerate(zip(modelled.outcomes, really.outcomes, strict=True)):
                assert not (parts := _different(mine, theirs)), f"seed {seed}, step {number}: {parts}"
            dump = await real.dump()
            assert await model.dump() == dump, f"seed {seed}"
        seen |= {name for name, rows in dump.items() if rows}
        seen |= {str(outcome[0]) for _, outcome in modelled.outcomes if isinstance(outcome, tuple)}
    wanted = {
        "projection_failures",
        "user_rewards",
        "heals",
        "adoptions",
        "Superseded",
        "Alarm",
        "CroupierError",
    }
    assert wanted <= seen, f"the courses never came to {sorted(wanted - seen)}"


async def test_given_two_daemons_with_the_same_batch_when_one_commits_then_the_other_is_superseded_on_both_sides(
    log: list[Event], database_url: str
) -> None:
    async with real_side(database_url) as real:
        assert await _race(real, log) == await _race(model_side(), log) == ["applied", "superseded"]


async def _race(side: Side, log: list[Event]) -> list[str]:
    """The second daemon waits at the cursor's row until the batch of the first one is committed."""
    one, other = await side.connect(), await side.connect()
    await take_epoch(one, await read_position(one, PARTITION), "a")
    position = await read_position(one, PARTITION)

    async def follow(connection: Any) -> str:
        try:
            await apply(connection, Projector(), position, log[:5])
        except Superseded:
            return "superseded"
        return "applied"

    async with one.transaction():
        first = await follow(one)
        second = asyncio.create_task(follow(other))
        await asyncio.wait({second}, timeout=0.1)
        assert not second.done()
    assert len(await side.rows("events")) == 5
    return [first, await second]


def _different(mine: Any, theirs: Any, place: str = "") -> str:
    """Where two results differ first; empty where they do not."""
    if isinstance(mine, list | tuple) and type(mine) is type(theirs) and len(mine) == len(theirs):
        pairs = enumerate(zip(mine, theirs, strict=True))
        return next((found for at, pair in pairs if (found := _different(*pair, f"{place}[{at}]"))), "")
    return "" if mine == theirs else f"at {place} {mine!r} and {theirs!r}"
