"""Pools for operators: what is left, and what was drawn and added in each hour."""

import datetime
from collections import Counter

from croupier.pool import add_to_pool
from croupier.scripts import Scripts
from croupier_sync.rows import PoolRow
from croupier_sync.tables import TABLES
from tests.http.console import admin, open_house
from tests.http.support import assert_is_error
from tests.sync.support import PARTITION

POOLS = "/api/admin/pools"
LIMITED = ("Legendary", "Epic")
_HOUR = datetime.timedelta(hours=1)


async def test_given_draws_and_an_addition_when_asked_then_the_hour_adds_up_to_what_is_left(
    redis_url: str, database_url: str
) -> None:
    async with open_house(redis_url, database_url, Legendary=1, Epic=7) as house:
        replies = [await house.pull(uid, 10, "festival") for uid in range(1, 9)]
        await add_to_pool(
            house.casino.transport,
            Scripts(),
            PARTITION,
            banner="festival",
            rarity="Epic",
            amount=50,
            reason="test",
        )
        replies.append(await house.pull(9, 10, "festival"))
        await house.settled()

        found = await house.ask(POOLS)

    drawn = Counter(item["rarity"] for reply in replies for item in reply["items"])
    pools = {(pool["banner"], pool["rarity"]): pool for pool in found["items"]}
    assert found["total"] == 2 and set(pools) == {("festival", rarity) for rarity in LIMITED}
    for rarity, initial, added in (("Legendary", 1, 0), ("Epic", 7, 50)):
        pool = pools["festival", rarity]
        assert pool["initial"] == initial
        assert pool["remaining"] == initial + added - drawn[rarity] >= 0
        # The test may run across the end of an hour.
        assert sum(hour["drawn"] for hour in pool["history"]) == drawn[rarity]
        assert sum(hour["added"] for hour in pool["history"]) == initial + added
        assert pool["history"][-1]["remaining"] == pool["remaining"]
        assert all(found["since"] <= hour["hour"] <= found["as_of"] for hour in pool["history"])


async def test_given_a_history_when_fewer_hours_are_asked_for_then_older_ones_are_left_out(
    redis_url: str, database_url: str
) -> None:
    async with open_house(redis_url, database_url) as house:
        await house.settled()
        row = await house.postgres.fetchrow("SELECT * FROM pool_hours WHERE rarity = 'Epic'")
        for hours_ago, remaining in ((30, 90), (5, 80), (200, 95)):
            await house.postgres.execute(
                "INSERT INTO pool_hours VALUES ($1, $2, $3, $4, $5, 10, 0, 0, 0)",
                row["partition"], row["banner"], row["rarity"], row["hour"] - hours_ago * _HOUR, remaining,
            )  # fmt: skip

        async def levels(hours: int) -> list[int]:
            pools = (await house.ask(f"{POOLS}?hours={hours}"))["items"]
            (pool,) = (pool for pool in pools if pool["rarity"] == "Epic")
            return [hour["remaining"] for hour in pool["history"]]

        assert await levels(24) == [80, 100]
        assert await levels(168) == [90, 80, 100]
        for hours in ("0", "169", "-1", "x"):
            reply = await house.client.get(f"{POOLS}?hours={hours}", bearer=admin())
            assert_is_error(reply, 422, "VALIDATION_ERROR")


async def test_given_a_pull_written_late_from_the_dead_letters_then_the_hour_has_its_draws_and_keeps_its_rest(
    redis_url: str, database_url: str
) -> None:
    async with open_house(redis_url, database_url, Legendary=0, Epic=1_000) as house:
        for uid in range(1, 7):
            await house.pull(uid, 10, "festival")
        await house.settled()
        before = (await house.ask(POOLS))["items"]

    (pool,) = (pool for pool in before if pool["rarity"] == "Epic")
    last = pool["history"][-1]
    late = PoolRow(
        PARTITION, "festival", "Epic", datetime.datetime.fromisoformat(last["hour"]), 999, 1, 0, 1, 0
    )
    async with open_house(redis_url, database_url, Legendary=0, Epic=1_000) as house:
        await TABLES[PoolRow].write(house.postgres, [late])
        after = (await house.ask(POOLS))["items"]

    (pool,) = (pool for pool in after if pool["rarity"] == "Epic")
    assert pool["history"][-1] == last | {"drawn": last["drawn"] + 1}
