"""A push that is to take the place of a certain version, as an operator's switch is."""

import pytest

from croupier.economy import canonical, version
from croupier.partition import PartitionError, push_economy
from croupier_schemas.economy import Economy
from tests.commands.economies import economy
from tests.commands.world import P, World


async def push(world: World, pushed: Economy, *, in_place_of: str | None) -> bool:
    return await push_economy(
        world.transport, world.engine.scripts, P,
        economy=pushed, version=version(pushed), canonical=canonical(pushed), in_place_of=in_place_of,
    )  # fmt: skip


async def test_given_the_version_in_force_when_another_takes_its_place_then_it_is_in_force(
    world: World,
) -> None:
    pushed = economy(initial_gems=1)

    assert await push(world, pushed, in_place_of=version(world.economy))

    assert (await world.head()).economy == version(pushed)


async def test_given_a_push_in_between_when_another_is_to_take_the_place_of_the_version_before_then_refused(
    world: World,
) -> None:
    first = version(world.economy)
    in_between = await world.push(economy(initial_gems=1))
    before = await world.dump()

    with pytest.raises(PartitionError, match=f"{in_between} was put in force meanwhile"):
        await push(world, economy(initial_gems=2), in_place_of=first)

    assert await world.dump() == before


async def test_given_an_economy_in_force_when_it_is_to_take_any_place_then_nothing_changes(
    world: World,
) -> None:
    before = await world.dump()

    assert not await push(world, world.economy, in_place_of="0" * 64)

    assert await world.dump() == before
