"""An engine in deterministic mode and one that is not never work on the same installation."""

from msgspec.structs import replace

from croupier.engine import Engine
from croupier.fairness.seeds import MasterKeys
from tests.commands.economies import economy
from tests.commands.world import SETTINGS, World

DETERMINISTIC = replace(SETTINGS, deterministic_seed="known to everybody")


async def refusal(world: World, engine: Engine) -> str:
    return (await world.refused(world.pull(1, engine=engine))).code


async def test_given_a_real_installation_when_a_deterministic_engine_pulls_then_it_is_refused(
    world: World,
) -> None:
    await world.pull(1)

    assert await refusal(world, await world.another_engine(DETERMINISTIC)) == "NOT_READY"


async def test_given_a_deterministic_installation_when_a_real_engine_pulls_then_it_is_refused(
    redis_url: str,
) -> None:
    world = await World.of(redis_url, economy(), settings=DETERMINISTIC)
    try:
        await world.pull(1)
        player = await world.existing_player(1)
        seed = MasterKeys.of_settings(DETERMINISTIC).seed("whichever", 1, 1)
        assert player.commitment == seed.commitment

        assert await refusal(world, await world.another_engine(SETTINGS)) == "NOT_READY"
    finally:
        await world.close()
