"""`gacha.pull` from limited stock: never drawn twice, never below 0, and a downgrade that says so."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from msgspec.structs import replace

from croupier.engine import Engine
from croupier.gacha.pulled import Pull
from croupier_schemas import keys
from croupier_schemas.gacha import GachaPullReply
from croupier_schemas.records import DRAW_STOCK_SEEN
from tests.commands.conftest import OpenWorld
from tests.commands.economies import banner, certain, economy, main
from tests.commands.world import P, World

LEGENDARY_ONLY: dict[str, Any] = {"weights_ppm": certain("Legendary")}


async def engines(world: World, number: int) -> list[Engine]:
    return [await world.another_engine() for _ in range(number)]


def outcomes(replies: list[GachaPullReply]) -> Counter[tuple[str, str | None]]:
    """How often each (delivered rarity, downgraded from)."""
    return Counter((item.rarity, item.downgraded_from) for reply in replies for item in reply.items)


async def test_given_the_last_5_when_500_pull_at_once_then_exactly_5_are_drawn_and_the_rest_say_downgraded(
    open_world: OpenWorld,
) -> None:
    world = await open_world(main(stock={"Legendary": 5}, **LEGENDARY_ONLY))
    workers = await engines(world, 4)

    replies = await asyncio.gather(
        *(world.pull(1 + i % 100, engine=workers[i % len(workers)]) for i in range(500))
    )

    assert outcomes(replies) == {("Legendary", None): 5, ("Common", "Legendary"): 495}
    assert await world.pool() == {"Legendary": 0}
    pulls = [Pull.of_event(event) for event in await world.events("gacha.pulled")]
    assert [pull.draws[0].stock for pull in pulls] == [5, 4, 3, 2, 1] + 495 * [0]
    assert all(pull.draws[0].flags & DRAW_STOCK_SEEN for pull in pulls)


async def test_given_stock_of_13_when_ten_pulls_race_then_13_are_drawn_and_each_event_saw_the_stock_before_it(
    open_world: OpenWorld,
) -> None:
    world = await open_world(main(stock={"Legendary": 13}, **LEGENDARY_ONLY))
    workers = await engines(world, 3)

    replies = await asyncio.gather(*(world.pull(1 + i, 10, engine=workers[i % 3]) for i in range(9)))

    assert outcomes(replies) == {("Legendary", None): 13, ("Common", "Legendary"): 77}
    seen = [draw.stock for event in await world.events("gacha.pulled") for draw in Pull.of_event(event).draws]
    assert seen == [*range(13, 0, -1), *(77 * [0])]


async def test_given_two_limited_rarities_when_they_are_drawn_then_each_pool_counts_its_own(
    open_world: OpenWorld,
) -> None:
    weights = {"Legendary": 300_000, "Epic": 300_000, "Rare": 400_000, "Common": 0}
    world = await open_world(main(stock={"Legendary": 20, "Rare": 30}, weights_ppm=weights))

    replies = [await world.pull(1, 10) for _ in range(9)]

    drawn = outcomes(replies)
    assert drawn["Legendary", None] == 20 and drawn["Rare", None] == 30
    assert drawn["Common", "Legendary"] > 0 and drawn["Common", "Rare"] > 0
    assert drawn["Common", "Epic"] == drawn["Common", None] == 0
    assert await world.pool() == {"Legendary": 0, "Rare": 0}


async def test_given_a_limited_banner_when_pulled_then_event_and_hash_hold_the_same_stock(
    open_world: OpenWorld,
) -> None:
    world = await open_world(main(stock={"Legendary": 20, "Epic": 7}, **LEGENDARY_ONLY))

    await world.pull(1, 10)

    (event,) = await world.events("gacha.pulled")
    pool = [(change.field, change.value) for change in event.changes if change.key == keys.pool(P, "main")]
    assert pool == [("Legendary", b"10")]  # one after-image for ten draws, none for what was not drawn
    assert await world.pool() == {"Legendary": 10, "Epic": 7}


async def test_given_a_drawn_down_pool_when_an_economy_is_pushed_again_then_its_stock_stays(
    open_world: OpenWorld,
) -> None:
    first = main(stock={"Legendary": 12}, **LEGENDARY_ONLY)
    world = await open_world(first)
    await world.pull(1, 10)

    await world.push(main(stock={"Legendary": 500}, **LEGENDARY_ONLY))
    assert await world.pool() == {"Legendary": 2}
    await world.push(main(**LEGENDARY_ONLY))
    assert outcomes([await world.pull(1, 10)]) == {("Legendary", None): 10}  # unlimited meanwhile
    await world.push(first)
    assert await world.pool() == {"Legendary": 2}
    assert outcomes([await world.pull(1, 10)]) == {("Legendary", None): 2, ("Common", "Legendary"): 8}


async def test_given_a_pool_when_a_later_economy_limits_another_rarity_then_only_that_one_is_created(
    open_world: OpenWorld,
) -> None:
    world = await open_world(main(stock={"Legendary": 3}, **LEGENDARY_ONLY))
    await world.pull(1)

    await world.push(main(stock={"Legendary": 3, "Epic": 40}, **LEGENDARY_ONLY))

    assert await world.pool() == {"Legendary": 2, "Epic": 40}
    changed = (await world.events("economy.changed"))[-1]
    created = [(change.key, change.field, change.value) for change in changed.changes[1:]]
    assert created == [(keys.pool(P, "main"), "Epic", b"40")]


async def test_given_two_banners_when_one_is_drawn_from_then_the_other_keeps_its_pool(
    open_world: OpenWorld,
) -> None:
    limited = banner(stock={"Legendary": 10}, **LEGENDARY_ONLY)
    world = await open_world(economy({"main": limited, "other": limited}))

    await world.pull(1, 10)

    assert await world.pool("main") == {"Legendary": 0}
    assert await world.pool("other") == {"Legendary": 10}
    assert outcomes([await world.pull(1, banner="other")]) == {("Legendary", None): 1}


async def test_given_the_same_economy_when_it_is_pushed_twice_then_nothing_happens(world: World) -> None:
    before = await world.dump()

    await world.push(replace(world.economy))

    assert await world.dump() == before


@pytest.mark.parametrize("count", [1, 10])
async def test_given_a_pool_that_is_gone_when_pulled_then_the_script_fails_and_nothing_is_written(
    open_world: OpenWorld, count: int
) -> None:
    world = await open_world(main(stock={"Legendary": 3}, **LEGENDARY_ONLY))
    await world.pull(1)
    await world.transport.call("DEL", keys.pool(P, "main"))

    error = await world.refused(world.pull(1, count))

    assert error.code == "INTERNAL"
