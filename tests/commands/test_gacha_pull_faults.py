"""`gacha.pull` on damaged state: an error, and nothing is written."""

from typing import Any

import pytest

from croupier.economy import version
from croupier_schemas import keys
from croupier_schemas.records import GACHA, PLAYER
from tests.commands.conftest import OpenWorld
from tests.commands.economies import certain, main
from tests.commands.world import P, World

PLAYER_1, GACHA_1, POOL, IDEM = (
    keys.player(P, 1),
    keys.gacha(P, 1, "main"),
    keys.pool(P, "main"),
    f"{{{P}}}:idem:1:order-1",
)


@pytest.fixture
async def limited(open_world: OpenWorld) -> World:
    """A casino whose every draw looks at the pool, and whose player 1 has pulled once."""
    world = await open_world(main(weights_ppm=certain("Legendary"), stock={"Legendary": 50}))
    await world.pull(1)
    return world


async def failed_without_trace(world: World, count: int = 1, key: str = "order-1") -> None:
    """A pull of player 1 fails with INTERNAL, and every byte stays as it was."""
    assert (await world.refused(world.pull(1, count, key=key))).code == "INTERNAL"


@pytest.mark.parametrize("name", [PLAYER_1, GACHA_1, POOL, IDEM, "outbox"])
@pytest.mark.parametrize("count", [1, 10])
async def test_given_a_key_of_another_type_when_pulled_then_it_fails_and_nothing_is_written(
    limited: World, name: str, count: int
) -> None:
    if name == "outbox":
        name = keys.outbox(P, (await limited.head()).fence)
    await limited.transport.call("DEL", name)
    await limited.administer("RPUSH", name, "not what it should be")

    await failed_without_trace(limited, count)


@pytest.mark.parametrize("name", ["head", "economy"])
async def test_given_a_head_or_an_economy_of_another_type_when_an_engine_reads_it_then_it_fails(
    limited: World, name: str
) -> None:
    name = keys.head(P) if name == "head" else keys.economy(P, version(limited.economy))
    await limited.transport.call("DEL", name)
    await limited.administer("RPUSH", name, "not what it should be")
    limited.engine = await limited.another_engine()

    await failed_without_trace(limited)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (PLAYER_1, b""),
        (PLAYER_1, b"\x02" + PLAYER.initial[1:]),
        (PLAYER_1, b"garbage" * 40),
        (GACHA_1, b""),
        (GACHA_1, b"\x01"),
        (GACHA_1, GACHA.initial[:-1]),
        (GACHA_1, b"\x02" + GACHA.initial[1:]),
        (GACHA_1, b"garbage" * 40),
    ],
)
@pytest.mark.parametrize("count", [1, 10])
async def test_given_a_record_of_another_layout_when_pulled_then_it_fails_and_nothing_is_written(
    limited: World, name: str, value: bytes, count: int
) -> None:
    await limited.transport.call("SET", name, value)

    await failed_without_trace(limited, count)


@pytest.mark.parametrize("value", [b"", b"many", b"1,5"])
@pytest.mark.parametrize("count", [1, 10])
async def test_given_a_pool_that_holds_no_number_when_pulled_then_it_fails_and_nothing_is_written(
    limited: World, value: bytes, count: int
) -> None:
    await limited.transport.call("HSET", POOL, "Legendary", value)

    await failed_without_trace(limited, count)


@pytest.mark.parametrize("count", [1, 10])
async def test_given_the_second_draw_fails_when_a_ten_pull_runs_then_the_first_left_no_trace(
    open_world: OpenWorld, count: int
) -> None:
    """The pool of the rarity that pity gives to the first draw is fine; that of the others is not."""
    pity = {"Legendary": {"hard": 90}}
    stock = {"Legendary": 9, "Epic": 9}
    world = await open_world(main(weights_ppm=certain("Epic"), pity=pity, stock=stock))
    await world.put_player(1)
    await world.put_gacha(1, since_legendary=89)
    await world.administer("HDEL", POOL, "Epic")

    if count == 10:
        await failed_without_trace(world, 10)
    else:
        assert (await world.pull(1)).items[0].rarity == "Legendary"


async def test_given_a_balance_beyond_exact_numbers_when_pulled_then_what_is_paid_is_not_lost(
    open_world: OpenWorld,
) -> None:
    """2^53 - 1 is the largest integer that Lua holds exactly; balances end far below it."""
    world = await open_world(main(cost_tokens={"one": 1, "ten": 1}))
    await world.put_player(1, tokens=2**53 - 1)

    assert (await world.pull(1)).balance == 2**53 - 2


async def test_given_a_missing_master_key_when_the_seed_is_needed_then_it_fails_and_nothing_is_written(
    world: World,
) -> None:
    await world.put_player(1, seed_key=7)

    await failed_without_trace(world, key="")


async def test_given_another_commitment_than_the_master_key_gives_when_pulled_then_it_fails(
    world: World,
) -> None:
    await world.put_player(1, commitment=b"\x07" * 32)

    await failed_without_trace(world, key="")


async def test_given_a_failed_pull_when_the_state_is_repaired_then_the_same_key_has_its_effect(
    limited: World,
) -> None:
    record: Any = await limited.transport.call("GET", GACHA_1)
    await limited.transport.call("SET", GACHA_1, b"garbage")
    await failed_without_trace(limited)
    await limited.transport.call("SET", GACHA_1, record)

    reply, replayed = await limited.pull_twice(1, key="order-1")

    assert not replayed and len(reply.items) == 1
