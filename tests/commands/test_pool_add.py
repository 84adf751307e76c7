"""`pool.add`: stock for a pool that players draw from, as an audited event of the operator."""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from croupier import partition
from croupier.errors import CroupierError
from croupier.partition import PartitionError
from croupier.pool import ADDED_MAX, STOCK_MAX, Added, add_to_pool
from croupier.scripts import Script
from croupier_schemas import keys
from croupier_schemas.economy import Rarity
from croupier_schemas.events import SYSTEM
from croupier_schemas.gacha import GachaPullReply
from tests.commands.conftest import OpenWorld
from tests.commands.economies import certain, main
from tests.commands.world import P, World

LEGENDARY_ONLY: dict[str, Any] = {"weights_ppm": certain("Legendary")}


async def add(
    world: World, amount: int, *, banner: str = "main", rarity: Rarity = "Legendary", reason: str = ""
) -> Added:
    return await add_to_pool(
        world.transport, world.engine.scripts, P, banner=banner, rarity=rarity, amount=amount, reason=reason
    )


async def refused(world: World, amount: int, **pool: Any) -> str:
    """Why stock was not added; not a byte may have changed."""
    before = await world.dump()
    with pytest.raises(PartitionError) as error:
        await add(world, amount, **pool)
    assert await world.dump() == before
    return str(error.value)


async def test_given_a_pool_when_stock_is_added_then_it_grows_and_one_event_says_by_whom_why_and_to_what(
    open_world: OpenWorld,
) -> None:
    world = await open_world(main(stock={"Legendary": 5, "Epic": 7}))

    added = await add(world, 20, reason="second week")

    assert (added.before, added.after) == (5, 25)
    assert await world.pool() == {"Legendary": 25, "Epic": 7}
    (event,) = await world.events("pool.added")
    assert str(event.id) == added.event_id
    assert event.header.uid == SYSTEM
    assert msgspec.msgpack.decode(event.header.terms) == ["main", "Legendary", 20, "second week"]
    assert [(change.key, change.field, change.value) for change in event.changes] == [
        (keys.pool(P, "main"), "Legendary", b"25")
    ]
    assert event.header.economy.hex() == (await world.head()).economy


async def test_given_an_empty_pool_when_stock_is_added_then_the_next_pull_gets_it(
    open_world: OpenWorld,
) -> None:
    world = await open_world(main(stock={"Legendary": 1}, **LEGENDARY_ONLY))
    assert [(await world.pull(1)).items[0].rarity for _ in range(2)] == ["Legendary", "Common"]

    assert (await add(world, 1))[:2] == (0, 1)

    assert [(await world.pull(1)).items[0].rarity for _ in range(2)] == ["Legendary", "Common"]


async def test_given_pulls_and_additions_at_once_then_what_is_left_and_what_was_drawn_is_what_there_ever_was(
    open_world: OpenWorld,
) -> None:
    world = await open_world(main(stock={"Legendary": 10}, **LEGENDARY_ONLY))
    engines = [await world.another_engine() for _ in range(3)]

    added: list[Added] = []
    pulls: list[GachaPullReply] = []

    async def act(number: int) -> None:
        if number % 4 == 0:
            added.append(await add(world, 1 + number % 7))
        else:
            pulls.append(await world.pull(1 + number % 50, engine=engines[number % 3]))

    await asyncio.gather(*map(act, range(400)))

    drawn = sum(item.rarity == "Legendary" for pull in pulls for item in pull.items)
    assert len(pulls) == 300
    assert drawn > 10
    assert sum(each.after - each.before for each in added) == sum(1 + i % 7 for i in range(0, 400, 4))
    assert (await world.pool())["Legendary"] + drawn == 10 + sum(each.after - each.before for each in added)
    last = [
        event for event in await world.events() if event.changes and event.changes[-1].field == "Legendary"
    ]
    assert last[-1].changes[-1].value == str((await world.pool())["Legendary"]).encode()


async def test_given_the_largest_amounts_when_added_then_the_pool_is_exact_up_to_its_limit_and_no_further(
    open_world: OpenWorld,
) -> None:
    world = await open_world(main(stock={"Legendary": 0}))
    await world.transport.call("HSET", keys.pool(P, "main"), "Legendary", STOCK_MAX - ADDED_MAX - 1)

    assert (await add(world, ADDED_MAX)).after == STOCK_MAX - 1
    assert "999,999,999,999,999 already" in await refused(world, 2)
    assert (await add(world, 1)).after == STOCK_MAX
    assert await world.pool() == {"Legendary": 1_000_000_000_000_000}
    assert "nothing was added" in await refused(world, 1)


@pytest.mark.parametrize(
    ("banner", "rarity"), [("main", "Epic"), ("main", "Common"), ("nowhere", "Legendary")]
)
async def test_given_no_limited_pool_when_stock_is_added_then_it_is_refused_and_nothing_is_written(
    open_world: OpenWorld, banner: str, rarity: Rarity
) -> None:
    world = await open_world(main(stock={"Legendary": 5}))

    assert "no limited pool" in await refused(world, 1, banner=banner, rarity=rarity)


@pytest.mark.parametrize("banner", ["main", "nowhere"])
async def test_given_a_stale_fence_when_the_script_runs_then_it_says_so_and_nothing_is_written(
    open_world: OpenWorld, banner: str
) -> None:
    world = await open_world(main(stock={"Legendary": 5}))
    stale = await world.head()
    await world.push(main(stock={"Legendary": 5}, near_miss_ppm=1))
    before = await world.dump()

    script = world.engine.scripts["pool.add"]
    answer = await world.transport.run(
        script,
        [keys.outbox(P, stale.fence), keys.pool(P, banner)],
        script.argv(1, STOCK_MAX, "1", partition.system_header("pool.added", stale.economy), "Legendary"),
    )

    assert answer == [b"FENCED"]
    assert await world.dump() == before


class Overtaken:
    """A connection on which, the first `times` times that the head has been read, another economy is put in force."""

    def __init__(self, world: World, times: int) -> None:
        self._world, self._times = world, times

    async def call(self, *args: bytes | str | int) -> object:
        answer = await self._world.transport.call(*args)
        if self._times:
            self._times -= 1
            await self._world.push(main(stock={"Legendary": 5}, near_miss_ppm=1 + self._times))
        return answer

    async def run(self, script: Script, keys: Sequence[bytes | str], args: Sequence[bytes | str]) -> object:
        return await self._world.transport.run(script, keys, args)


@pytest.mark.parametrize(("overtaken", "stock"), [(0, 8), (4, 8), (5, 5)])
async def test_given_pushes_in_between_when_stock_is_added_then_once_or_after_five_of_them_not_at_all(
    open_world: OpenWorld, overtaken: int, stock: int
) -> None:
    world = await open_world(main(stock={"Legendary": 5}))
    added = add_to_pool(
        Overtaken(world, overtaken),
        world.engine.scripts,
        P,
        banner="main",
        rarity="Legendary",
        amount=3,
        reason="",
    )

    if stock == 5:
        with pytest.raises(PartitionError, match="changed 5 times"):
            await added
    else:
        assert (await added).after == stock

    assert await world.pool() == {"Legendary": stock}
    assert len(await world.events("pool.added")) == (stock == 8)


async def test_given_a_closed_partition_when_stock_is_added_then_not_ready(open_world: OpenWorld) -> None:
    world = await open_world(main(stock={"Legendary": 5}))
    await world.shut()

    with pytest.raises(CroupierError, match="partition is closed"):
        await add(world, 1)

    assert await world.pool() == {"Legendary": 5}
