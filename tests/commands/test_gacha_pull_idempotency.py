"""`gacha.pull` with an idempotency key: one effect, and the first reply again to the last byte."""

import asyncio
from typing import Any

import pytest

from croupier.gacha.pull import PULL
from croupier.settings import Settings
from croupier_schemas.gacha import GachaPull
from tests.commands.conftest import OpenWorld
from tests.commands.economies import banner, certain, economy, main
from tests.commands.world import SETTINGS, World, caller, encoded

PRICED: dict[str, Any] = {"cost_tokens": {"one": 100, "ten": 900}}
KEY = "order-1"
IDEM = f"{{0}}:idem:1:{KEY}"


async def test_given_one_key_when_100_requests_race_then_one_has_an_effect_and_all_replies_are_equal(
    open_world: OpenWorld,
) -> None:
    world = await open_world(main(**PRICED))
    workers = [await world.another_engine() for _ in range(4)]

    answers = await asyncio.gather(
        *(world.pull_twice(1, 10, key=KEY, engine=workers[i % 4]) for i in range(100))
    )

    assert len({encoded(reply) for reply, _ in answers}) == 1
    assert sorted(replayed for _, replayed in answers) == [False] + 99 * [True]
    assert len(await world.events("gacha.pulled")) == 1
    assert (await world.existing_player(1)).tokens == 100_000 - 900


@pytest.mark.parametrize(
    "other",
    [GachaPull(10, "main"), GachaPull(1, "other"), GachaPull(1, "main", True)],
    ids=["count", "banner", "gems"],
)
async def test_given_a_used_key_when_the_request_differs_then_it_is_refused(
    open_world: OpenWorld, other: GachaPull
) -> None:
    gems = {"cost_gems": {"one": 0, "ten": 0}}
    world = await open_world(economy({"main": banner(**gems), "other": banner()}))
    await world.pull(1, key=KEY)

    error = await world.refused(world.engine.execute(PULL, caller(1, key=KEY), other))

    assert error.code == "IDEMPOTENCY_KEY_REUSED"


@pytest.mark.parametrize(
    "other", [GachaPull(1, "nowhere"), GachaPull(1, "main", True)], ids=["banner", "gems"]
)
async def test_given_a_used_key_when_the_other_request_would_be_refused_anyway_then_the_key_is_what_is_wrong(
    world: World, other: GachaPull
) -> None:
    await world.pull(1, key=KEY)

    error = await world.refused(world.engine.execute(PULL, caller(1, key=KEY), other))

    assert error.code == "IDEMPOTENCY_KEY_REUSED"


async def test_given_a_used_key_when_another_command_or_another_player_uses_it_then_keys_are_per_player(
    world: World,
) -> None:
    await world.pull(1, key=KEY)

    assert (await world.refused(world.rotate(1, key=KEY))).code == "IDEMPOTENCY_KEY_REUSED"
    _, replayed = await world.pull_twice(2, key=KEY)
    assert not replayed


async def test_given_a_used_key_when_the_request_leaves_out_defaults_then_it_is_the_same_request(
    open_world: OpenWorld,
) -> None:
    world = await open_world(economy({"standard": banner()}))
    spelled_out = GachaPull(count=1, banner="standard", use_premium_currency=False)

    first = (await world.engine.execute(PULL, caller(1, key=KEY), GachaPull())).reply
    second, replayed, _ = await world.engine.execute(PULL, caller(1, key=KEY), spelled_out)

    assert replayed and encoded(second) == encoded(first)


async def test_given_a_daily_limit_of_1_when_the_key_is_repeated_then_the_replay_consumes_nothing(
    open_world: OpenWorld,
) -> None:
    world = await open_world(main(daily_limit=1, **PRICED))
    first = await world.pull(1, key=KEY)
    before = await world.dump()

    for _ in range(3):
        reply, replayed = await world.pull_twice(1, key=KEY)
        assert replayed and encoded(reply) == encoded(first)

    assert await world.dump() == before
    assert (await world.refused(world.pull(1, key="order-2"))).code == "DAILY_GACHA_LIMIT"


async def changed_economy(world: World) -> dict[str, Any]:
    items = {"Common": [{"id": "pebble"}]}
    await world.push(main(weights_ppm=certain("Common"), items=items, daily_limit=7))
    return {}


async def disabled_banner(world: World) -> dict[str, Any]:
    await world.push(main(enabled=False, **PRICED))
    return {}


async def removed_banner(world: World) -> dict[str, Any]:
    await world.push(economy({"other": banner()}))
    return {}


async def legacy_mode(world: World) -> dict[str, Any]:
    settings = Settings(master_keys=SETTINGS.master_keys, gacha_legacy_cost=True)
    return {"engine": await world.another_engine(settings)}


async def another_tier(_: World) -> dict[str, Any]:
    return {"tier": "VIP"}


async def another_day(world: World) -> dict[str, Any]:
    world.clock.now_ms += 5 * 86_400_000
    return {}


async def another_process(world: World) -> dict[str, Any]:
    return {"engine": await world.another_engine()}


async def ban(world: World) -> dict[str, Any]:
    await world.change_player(1, flags=1)
    return {}


async def lower_balance(world: World) -> dict[str, Any]:
    await world.change_player(1, tokens=0)
    return {}


async def rotated_seed(world: World) -> dict[str, Any]:
    await world.rotate(1, "other")
    return {}


@pytest.mark.parametrize(
    "change",
    [
        changed_economy, disabled_banner, removed_banner, legacy_mode, another_tier, another_day,
        another_process, ban, lower_balance, rotated_seed,
    ],
)  # fmt: skip
@pytest.mark.parametrize("count", [1, 10])
async def test_given_a_used_key_when_the_world_has_changed_then_the_replay_is_still_byte_identical(
    open_world: OpenWorld, change: Any, count: int
) -> None:
    items = {
        "Legendary": [{"id": "a"}],
        "Epic": [{"id": "b"}],
        "Rare": [{"id": "c"}],
        "Common": [{"id": "d"}],
    }
    world = await open_world(main(items=items, near_miss_ppm=500_000, **PRICED))
    first = await world.pull(1, count, key=KEY)
    how = await change(world)
    before = await world.dump()

    reply, replayed = await world.pull_twice(1, count, key=KEY, **how)

    assert replayed and encoded(reply) == encoded(first)
    assert await world.dump() == before


async def test_given_a_kept_reply_when_its_time_to_live_ends_then_the_key_is_free_again(
    open_world: OpenWorld,
) -> None:
    settings = Settings(master_keys=SETTINGS.master_keys, idempotency_ttl_seconds=77)
    world = await open_world(main(), settings=settings)
    await world.pull(1, key=KEY)

    left_ms = await world.administer("PTTL", IDEM)
    assert isinstance(left_ms, int) and 17_000 < left_ms <= 77_000
    await world.transport.call("DEL", IDEM)  # as the server does by then

    _, replayed = await world.pull_twice(1, key=KEY)
    assert not replayed and len(await world.events("gacha.pulled")) == 2


async def test_given_a_replay_when_it_is_answered_then_it_does_not_lengthen_the_time_to_live(
    world: World,
) -> None:
    await world.pull(1, key=KEY)
    await world.transport.call("PEXPIRE", IDEM, 50_000)

    await world.pull(1, key=KEY)

    left_ms = await world.administer("PTTL", IDEM)
    assert isinstance(left_ms, int) and left_ms <= 50_000


async def test_given_a_refused_request_when_its_cause_is_gone_then_the_same_key_has_an_effect(
    open_world: OpenWorld,
) -> None:
    world = await open_world(main(**PRICED))
    await world.put_player(1, tokens=99)
    assert (await world.refused(world.pull(1, key=KEY))).code == "INSUFFICIENT_BALANCE"
    await world.change_player(1, tokens=100)

    reply, replayed = await world.pull_twice(1, key=KEY)

    assert not replayed and reply.balance == 0


async def test_given_no_key_when_a_request_is_repeated_then_each_has_its_effect_and_nothing_is_kept(
    world: World,
) -> None:
    for _ in range(2):
        _, replayed = await world.pull_twice(1)
        assert not replayed

    assert len(await world.events("gacha.pulled")) == 2
    assert await world.administer("KEYS", "*idem*") == []


@pytest.mark.parametrize("key", ["~" * 255, "{1}:player:2", '"\\{}%s%d#<uid>', "!"])
async def test_given_an_opaque_key_when_it_is_used_then_it_is_kept_under_its_own_name(
    world: World, key: str
) -> None:
    first = await world.pull(1, key=key)
    reply, replayed = await world.pull_twice(1, key=key)

    assert replayed and encoded(reply) == encoded(first)
    assert await world.administer("KEYS", "*idem*") == [f"{{0}}:idem:1:{key}".encode()]
    assert (await world.events())[-1].header.idempotency_key == key
