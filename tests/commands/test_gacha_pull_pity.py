"""`gacha.pull` and pity: hard, soft, the rate-up guarantee, and which counter resets when."""

from itertools import accumulate, pairwise
from typing import Any

import pytest

from croupier.gacha.pity import Counters, draw_weights
from croupier.gacha.pulled import Pull
from croupier_schemas.economy import RARITIES
from croupier_schemas.gacha import GachaPullReply
from croupier_schemas.records import DRAW_GUARANTEED, DRAW_HARD_PITY
from tests.commands.conftest import OpenWorld
from tests.commands.economies import banner, certain, economy, main
from tests.commands.known_rolls import RarityRolls, rarity_roll, rolls_of
from tests.commands.world import World

HARD_90 = {"Legendary": {"hard": 90}}
ALL_HARD = {"Legendary": {"hard": 90}, "Epic": {"hard": 10}, "Rare": {"hard": 5}}
RATE_UP: dict[str, Any] = {
    "rate_up": "Legendary",
    "items": {
        "Legendary": [{"id": "crown"}, {"id": "throne", "featured": True}, {"id": "scepter", "weight": 8}],
        "Epic": [{"id": "dice"}],
        "Rare": [{"id": "card"}],
        "Common": [{"id": "chip"}],
    },
}


def rarities(reply: GachaPullReply) -> list[str]:
    return [item.rarity for item in reply.items]


async def last_flags(world: World) -> list[int]:
    """The flags of each draw of the last pull."""
    return [draw.flags for draw in Pull.of_event((await world.events("gacha.pulled"))[-1]).draws]


# Hard pity.


@pytest.mark.parametrize(("since", "due"), [(87, False), (88, False), (89, True), (90, True), (91, True)])
async def test_given_hard_pity_90_when_so_many_draws_went_without_it_then_the_90th_is_legendary(
    open_world: OpenWorld, since: int, due: bool
) -> None:
    world = await open_world(main(weights_ppm=certain("Common"), pity=HARD_90))
    await world.put_player(1)
    await world.put_gacha(1, since_legendary=since)

    reply = await world.pull(1)

    assert rarities(reply) == ["Legendary" if due else "Common"]
    assert reply.pity.Legendary == (0 if due else since + 1)
    assert await last_flags(world) == [DRAW_HARD_PITY if due else 0]


async def test_given_hard_pity_90_when_a_ten_pull_crosses_it_then_exactly_the_90th_is_legendary(
    open_world: OpenWorld,
) -> None:
    world = await open_world(main(weights_ppm=certain("Common"), pity=HARD_90))
    await world.put_player(1)
    await world.put_gacha(1, since_legendary=86)

    reply = await world.pull(1, 10)

    assert rarities(reply) == 3 * ["Common"] + ["Legendary"] + 6 * ["Common"]
    assert reply.pity.Legendary == 6


async def test_given_no_pity_when_draws_go_by_then_none_is_ever_due(open_world: OpenWorld) -> None:
    world = await open_world(main(weights_ppm=certain("Common")))
    await world.put_player(1)
    await world.put_gacha(1, since_legendary=100_000, since_epic=100_000, since_rare=100_000)

    assert rarities(await world.pull(1, 10)) == 10 * ["Common"]


async def test_given_several_due_at_once_when_pulled_then_the_highest_comes_and_the_others_stay_due(
    open_world: OpenWorld,
) -> None:
    world = await open_world(main(weights_ppm=certain("Common"), pity=ALL_HARD))
    await world.put_player(1)
    await world.put_gacha(1, since_legendary=89, since_epic=9, since_rare=4)

    reply = await world.pull(1, 10)

    # Three are due; then Rare every fifth draw after its own.
    due = ["Legendary", "Epic", "Rare"]
    assert rarities(reply) == [*due, *(4 * ["Common"]), "Rare", "Common", "Common"]


async def test_given_pity_due_on_an_empty_pool_when_pulled_then_it_is_downgraded_and_stays_due(
    open_world: OpenWorld,
) -> None:
    limited: dict[str, Any] = {"weights_ppm": certain("Common"), "pity": HARD_90}
    world = await open_world(main(stock={"Legendary": 0}, **limited))
    await world.put_player(1)
    await world.put_gacha(1, since_legendary=89)

    reply = await world.pull(1, 10)
    assert [(item.rarity, item.downgraded_from) for item in reply.items] == 10 * [("Common", "Legendary")]
    assert reply.pity.Legendary == 99

    await world.push(main(**limited))  # unlimited from now on
    reply = await world.pull(1)
    assert [(item.rarity, item.downgraded_from) for item in reply.items] == [("Legendary", None)]
    assert reply.pity.Legendary == 0


@pytest.mark.parametrize("rarity", RARITIES)
async def test_given_counters_when_a_rarity_is_delivered_then_only_its_own_is_reset(
    open_world: OpenWorld, rarity: str
) -> None:
    world = await open_world(main(weights_ppm=certain(rarity)))
    await world.put_player(1)
    await world.put_gacha(1, since_legendary=30, since_epic=20, since_rare=10)

    reply = await world.pull(1)

    after = {"Legendary": 31, "Epic": 21, "Rare": 11} | ({rarity: 0} if rarity != "Common" else {})
    assert (reply.pity.Legendary, reply.pity.Epic, reply.pity.Rare) == tuple(after.values())


async def test_given_two_banners_when_one_is_pulled_then_each_has_its_own_counters(
    open_world: OpenWorld,
) -> None:
    common = banner(weights_ppm=certain("Common"), pity=HARD_90)
    world = await open_world(economy({"main": common, "other": common}))
    await world.put_player(1)
    await world.put_gacha(1, "main", since_legendary=89)

    assert rarities(await world.pull(1, banner="other")) == ["Common"]
    assert rarities(await world.pull(1, banner="main")) == ["Legendary"]


# The thresholds of a roll.


@pytest.mark.parametrize("index", [0, 1, 2])
async def test_given_a_known_roll_when_cumulative_weights_are_r_or_r_plus_1_then_only_the_latter_exceeds_it(
    open_world: OpenWorld, index: int
) -> None:
    r = rarity_roll(uid=1)
    below = [0, 0, 0, 1_000_000 - r]
    below[index] = r
    above = [*below]
    above[index], above[3] = r + 1, 1_000_000 - r - 1
    world = await open_world(main(weights_ppm=dict(zip(RARITIES, below, strict=True))))

    assert rarities(await world.pull(1)) == ["Common"]
    await world.put_player(1)  # the same nonce again
    await world.push(main(weights_ppm=dict(zip(RARITIES, above, strict=True))))
    assert rarities(await world.pull(1)) == [RARITIES[index]]


async def test_given_a_known_roll_when_an_items_cumulative_weight_is_r_or_r_plus_1_then_only_the_latter_exceeds_it(
    open_world: OpenWorld,
) -> None:
    r = int(rolls_of(uid=1, nonce=1)[1] * 1_000_000)

    def two_items(first: int) -> Any:
        items = [{"id": "first", "weight": first}, {"id": "second", "weight": 1_000_000 - first}]
        return main(weights_ppm=certain("Common"), items={"Common": items})

    world = await open_world(two_items(r))
    assert (await world.pull(1)).items[0].item_id == "second"
    await world.put_player(1)
    await world.push(two_items(r + 1))
    assert (await world.pull(1)).items[0].item_id == "first"


# Soft pity.

SOFT_PITIES: dict[str, dict[str, Any]] = {
    "as spotlight": {"Legendary": {"hard": 90, "soft": {"from_draw": 74, "step_ppm": 60_000}}},
    "epic takes from common and rare": {"Epic": {"soft": {"from_draw": 3, "step_ppm": 200_000}}},
    "rare from the first draw on": {"Rare": {"soft": {"from_draw": 1, "step_ppm": 7_919}}},
    "all three": {
        "Legendary": {"hard": 40, "soft": {"from_draw": 11, "step_ppm": 33_333}},
        "Epic": {"soft": {"from_draw": 6, "step_ppm": 20_011}},
        "Rare": {"soft": {"from_draw": 2, "step_ppm": 9_001}},
    },
}


@pytest.mark.parametrize("pity", SOFT_PITIES.values(), ids=SOFT_PITIES)
async def test_given_soft_pity_when_rolls_lie_around_every_threshold_then_the_weights_are_the_reference(
    open_world: OpenWorld, pity: dict[str, Any]
) -> None:
    world = await open_world(main(pity=pity))
    banner = world.economy.gacha.banners["main"]
    known = RarityRolls.of(uid=1, nonces=20_000)  # some 50 ppm apart; a step of soft pity is 1,000 at least
    shifted = 0

    for counter in range(92):
        counters: Counters = (counter, counter, counter)
        weights = draw_weights(banner, counters)
        cumulative = list(accumulate(weights))
        for r, nonce in [roll for threshold in cumulative[:3] for roll in known.around(threshold)]:
            await world.put_player(1, nonce=nonce - 1)
            await world.put_gacha(1, since_legendary=counter, since_epic=counter, since_rare=counter)
            expected = next(i for i in range(4) if r < cumulative[i])
            assert rarities(await world.pull(1)) == [RARITIES[expected]], (counters, r, weights)
            shifted += 1

    assert shifted > 300


async def test_given_soft_pity_when_a_ten_pull_runs_then_each_draw_sees_the_state_the_one_before_left(
    open_world: OpenWorld,
) -> None:
    # Certain from the third draw on after each Legendary, and impossible before it.
    soft = {"Legendary": {"soft": {"from_draw": 3, "step_ppm": 1_000_000}}}
    world = await open_world(main(weights_ppm=certain("Common"), pity=soft))

    reply = await world.pull(1, 10)

    assert rarities(reply) == [*(3 * ["Common", "Common", "Legendary"]), "Common"]


# The guarantee.


async def test_given_a_guarantee_when_the_item_before_was_not_featured_then_the_next_is_then_it_is_used_up(
    open_world: OpenWorld,
) -> None:
    world = await open_world(main(weights_ppm=certain("Legendary"), **RATE_UP))

    replies = [await world.pull(1) for _ in range(40)]

    featured = [reply.items[0].item_id == "throne" for reply in replies]
    guaranteed = [reply.pity.guaranteed for reply in replies]
    assert guaranteed == [not each for each in featured]
    assert all(now or before for before, now in pairwise(featured))
    # It also comes on its own, one in ten, so the guarantee is more than an alternation.
    assert any(now and before for before, now in pairwise(featured))
    pulls = [Pull.of_event(event) for event in await world.events("gacha.pulled")]
    flagged = [bool(pull.draws[0].flags & DRAW_GUARANTEED) for pull in pulls]
    assert flagged == [False, *guaranteed[:-1]]


async def test_given_a_guarantee_when_other_rarities_come_between_then_it_is_carried_over(
    open_world: OpenWorld,
) -> None:
    world = await open_world(main(weights_ppm=certain("Epic"), **RATE_UP))
    await world.put_player(1)
    await world.put_gacha(1, guaranteed=1)

    assert (await world.pull(1, 10)).pity.guaranteed
    await world.push(main(weights_ppm=certain("Legendary"), **RATE_UP))
    reply = await world.pull(1)
    assert reply.items[0].item_id == "throne" and not reply.pity.guaranteed


async def test_given_a_guarantee_when_the_rate_up_rarity_is_downgraded_then_it_stays(
    open_world: OpenWorld,
) -> None:
    world = await open_world(main(weights_ppm=certain("Legendary"), stock={"Legendary": 0}, **RATE_UP))
    await world.put_player(1)
    await world.put_gacha(1, guaranteed=1)

    reply = await world.pull(1)

    assert reply.items[0].downgraded_from == "Legendary" and reply.pity.guaranteed


async def test_given_a_guarantee_from_an_older_table_when_no_rarity_is_rate_up_then_it_has_no_effect_and_stays(
    open_world: OpenWorld,
) -> None:
    world = await open_world(main(weights_ppm=certain("Legendary"), items=RATE_UP["items"]))
    await world.put_player(1)
    await world.put_gacha(1, guaranteed=1)

    replies = [await world.pull(1) for _ in range(10)]

    assert {reply.items[0].item_id for reply in replies} != {"throne"}
    assert all(reply.pity.guaranteed for reply in replies)


async def test_given_rate_up_of_common_when_a_legendary_is_downgraded_then_the_guarantee_serves_it(
    open_world: OpenWorld,
) -> None:
    items = {
        "Legendary": [{"id": "crown"}],
        "Common": [{"id": "chip", "weight": 99}, {"id": "gold", "featured": True}],
    }
    world = await open_world(
        main(weights_ppm=certain("Legendary"), stock={"Legendary": 0}, items=items, rate_up="Common")
    )
    await world.put_player(1)
    await world.put_gacha(1, guaranteed=1)

    reply = await world.pull(1)

    assert reply.items[0].item_id == "gold" and not reply.pity.guaranteed
