"""`gacha.pull`: what a reply says, and that event and state say the same."""

import hashlib
from typing import Any

import pytest

from croupier.economy import version
from croupier.gacha.pulled import Pull
from croupier_schemas import keys
from croupier_schemas.events import Event
from croupier_schemas.records import DRAW_NEAR_MISS, PLAYER
from tests.commands.conftest import OpenWorld
from tests.commands.economies import banner, certain, economy, main
from tests.commands.known_rolls import rarity_roll
from tests.commands.world import MASTER_KEY, NOON_MS, TODAY, P, World
from tests.model.fairness import server_seed

WEIGHTS = {"Legendary": 100_000, "Epic": 200_000, "Rare": 300_000, "Common": 400_000}


# A new player.


async def test_given_a_new_player_when_it_pulls_then_it_is_created_with_the_economys_beginnings(
    open_world: OpenWorld,
) -> None:
    prices = {"cost_tokens": {"one": 30, "ten": 300}}
    world = await open_world(economy({"main": banner(**prices)}, initial_tokens=1_000, initial_gems=7))

    reply = await world.pull(2**53 - 1)

    assert (reply.balance, reply.gems, reply.receipt.nonce) == (970, 7, 1)
    player = await world.existing_player(2**53 - 1)
    assert player.client_seed.rstrip(b"\0") == b"9007199254740991"
    assert (player.tokens, player.gems, player.day, player.pulls, player.nonce) == (970, 7, TODAY, 1, 1)
    (event,) = await world.events("gacha.pulled")
    assert event.created
    await world.pull(2**53 - 1)
    assert [each.created for each in await world.events("gacha.pulled")] == [True, False]


async def test_given_a_player_when_the_initial_balances_change_then_it_keeps_its_own(
    open_world: OpenWorld,
) -> None:
    world = await open_world(economy(initial_tokens=1_000, initial_gems=7))
    await world.pull(1)

    await world.push(economy(initial_tokens=5, initial_gems=5))

    assert (await world.pull(1)).balance == 1_000
    assert (await world.pull(2)).balance == 5


# The reply.


async def test_given_a_pull_when_it_is_answered_then_the_receipt_names_event_economy_nonce_and_commitment(
    world: World,
) -> None:
    await world.pull(2)
    replies = [await world.pull(1, count) for count in (1, 10, 1)]

    seed = server_seed(MASTER_KEY, 1, 1)
    for number, reply in enumerate(replies, start=1):
        receipt = reply.receipt
        assert receipt.event_id == f"0-1-{receipt.seq}" == f"0-1-{2 + number}"
        assert receipt.economy == version(world.economy)
        assert receipt.nonce == number
        assert receipt.commitment == hashlib.sha256(seed.encode()).hexdigest()
    events = await world.events("gacha.pulled")
    assert [str(event.id) for event in events[1:]] == [reply.receipt.event_id for reply in replies]
    assert {event.ts_ms for event in events} == {NOON_MS}


async def test_given_the_economys_animations_when_items_are_delivered_then_each_shows_that_of_its_rarity(
    open_world: OpenWorld,
) -> None:
    animations = {"Legendary": "fireworks", "Epic": "flash", "Rare": "shine", "Common": "plain"}
    scarce = banner(weights_ppm=WEIGHTS, stock={"Legendary": 1})
    world = await open_world(economy({"main": scarce}, gacha={"animations": animations}))

    items = [item for _ in range(10) for item in (await world.pull(1, 10)).items]

    assert {item.rarity for item in items} == set(animations)
    assert all(item.animation_type == animations[item.rarity] for item in items)
    assert any(item.downgraded_from for item in items)


@pytest.mark.parametrize("count", [1, 10])
async def test_given_a_count_when_pulled_then_it_gives_as_many_items_and_uses_one_nonce(
    world: World, count: int
) -> None:
    first = await world.pull(1, count)
    second = await world.pull(1, count)

    assert len(first.items) == len(second.items) == count
    assert (first.receipt.nonce, second.receipt.nonce) == (1, 2)


# Near miss: r within [L, L + near_miss_ppm), and nothing but the roll decided.


@pytest.mark.parametrize(
    ("legendary", "near_miss_ppm", "expected"),
    [
        (0, 1_000, True),  # L = r
        (-999, 1_000, True),  # r = L + 999
        (-1_000, 1_000, False),  # r = L + 1,000
        (1, 1_000, False),  # r = L - 1: Legendary itself
        (0, 0, False),
    ],
)
async def test_given_a_known_roll_when_it_lies_within_the_band_above_legendary_then_it_is_a_near_miss(
    open_world: OpenWorld, legendary: int, near_miss_ppm: int, expected: bool
) -> None:
    weight = rarity_roll(uid=1) + legendary
    weights = {"Legendary": weight, "Epic": 0, "Rare": 0, "Common": 1_000_000 - weight}
    world = await open_world(main(weights_ppm=weights, near_miss_ppm=near_miss_ppm))

    (item,) = (await world.pull(1)).items

    assert item.near_miss is expected
    assert item.rarity == ("Legendary" if legendary == 1 else "Common")


@pytest.mark.parametrize("moved", [0, 1])
async def test_given_soft_pity_when_it_moves_the_legendary_weight_then_the_band_moves_with_it(
    open_world: OpenWorld, moved: int
) -> None:
    weight = rarity_roll(uid=1) - 100_000 + moved
    weights = {"Legendary": weight, "Epic": 0, "Rare": 0, "Common": 1_000_000 - weight}
    soft = {"Legendary": {"soft": {"from_draw": 1, "step_ppm": 100_000}}}
    world = await open_world(main(weights_ppm=weights, near_miss_ppm=1, pity=soft))

    (item,) = (await world.pull(1)).items

    assert (item.rarity, item.near_miss) == (("Common", True), ("Legendary", False))[moved]


@pytest.mark.parametrize(
    "decided_by",
    [
        {"pity": {"Epic": {"hard": 2}}, "since_epic": 1},
        {"stock": {"Epic": 0}},
    ],
    ids=["hard pity", "stock"],
)
async def test_given_a_roll_in_the_band_when_pity_or_stock_decided_then_it_is_no_near_miss(
    open_world: OpenWorld, decided_by: dict[str, Any]
) -> None:
    since = decided_by.pop("since_epic", 0)
    near: dict[str, Any] = {"weights_ppm": certain("Epic"), "near_miss_ppm": 1_000_000}
    world = await open_world(main(**near, **decided_by))
    await world.put_player(1)
    await world.put_gacha(1, since_epic=since)

    (item,) = (await world.pull(1)).items

    assert not item.near_miss


async def test_given_a_near_miss_band_when_it_is_pushed_wider_then_no_outcome_changes(
    open_world: OpenWorld,
) -> None:
    world = await open_world(main(weights_ppm=WEIGHTS))
    narrow = await world.pull(1, 10)

    await world.push(main(weights_ppm=WEIGHTS, near_miss_ppm=900_000))
    await world.put_player(1)
    await world.put_gacha(1)
    wide = await world.pull(1, 10)

    assert [item.item_id for item in wide.items] == [item.item_id for item in narrow.items]
    pull = Pull.of_event((await world.events("gacha.pulled"))[-1])
    flagged = [bool(draw.flags & DRAW_NEAR_MISS) for draw in pull.draws]
    assert (
        flagged
        == [item.near_miss for item in wide.items]
        == [item.rarity != "Legendary" for item in wide.items]
    )


# Event and state.


def folded(events: list[Event]) -> dict[tuple[str, str], bytes]:
    """What the after-images of these events say that Redis holds."""
    state: dict[tuple[str, str], bytes] = {}
    for change in (change for event in events for change in event.changes):
        assert change.value is not None
        state[change.key, change.field] = change.value
    return state


async def held(world: World) -> dict[tuple[str, str], bytes]:
    """The durable part of what Redis holds."""
    state: dict[tuple[str, str], bytes] = {}
    names: Any = await world.administer("KEYS", f"{{{P}}}:*")
    for name in map(bytes.decode, names):
        kind = name.split(":")[1]
        if kind == "pool":
            state |= {
                (name, field): str(left).encode() for field, left in (await world.pool(name[9:])).items()
            }
        elif kind in ("player", "gacha", "economy"):
            value: Any = await world.transport.call("GET", name)
            state[name, ""] = value[: PLAYER.durable_size] if kind == "player" else value
    return state


async def test_given_pulls_and_rotations_when_each_is_done_then_the_after_images_so_far_are_the_state(
    open_world: OpenWorld,
) -> None:
    limited = banner(stock={"Legendary": 2, "Rare": 9}, cost_tokens={"one": 7, "ten": 70})
    world = await open_world(economy({"main": limited, "other": banner()}))

    for uid, count in [(1, 1), (2, 10), (1, 10), (3, 1), (2, 1), (1, 1)]:
        await world.pull(uid, count, banner="main" if count == 10 else "other")
        assert folded(await world.events()) == await held(world)
        await world.rotate(uid, "lucky")
        assert folded(await world.events()) == await held(world)


async def test_given_an_event_when_it_is_read_then_its_ids_are_gapless_and_it_names_caller_and_records(
    world: World,
) -> None:
    for uid in (5, 6):
        await world.pull(uid, tier="VIP")

    events = await world.events()

    assert [event.id.entry for event in events] == [f"1-{seq}" for seq in range(4)]
    assert [event.header.type for event in events[:2]] == ["epoch.opened", "economy.changed"]
    assert [(event.header.uid, event.header.tier) for event in events[2:]] == [(5, "VIP"), (6, "VIP")]
    assert [change.key for change in events[2].changes] == [keys.player(P, 5), keys.gacha(P, 5, "main")]
    assert len({event.header.op_id for event in events}) == 4
