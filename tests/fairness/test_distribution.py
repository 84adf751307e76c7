"""200,000 draws of the real script against the disclosed odds, with fixed seeds."""

import asyncio
from collections import Counter

import pytest

from croupier.gacha.queries import ODDS, OddsParams
from croupier_schemas.economy import PPM
from tests.commands.economies import main
from tests.commands.world import World, caller
from tests.fairness.chi_square import chi_square, p_value

PLAYERS, PULLS_EACH = 40, 500
DRAWS = PLAYERS * PULLS_EACH * 10
LEAST_LIKELY = 1e-4
"""The seeds are fixed, so this is no rate of false alarms: it says how unlikely a deviation is called an error."""

ECONOMY = main(
    weights_ppm={"Legendary": 10_000, "Epic": 60_000, "Rare": 230_000, "Common": 700_000},
    items={
        "Legendary": [{"id": "crown", "weight": 3}, {"id": "throne"}],
        "Epic": [{"id": "dice"}, {"id": "ace"}, {"id": "deck"}],
        "Rare": [{"id": "card", "weight": 7}, {"id": "cup", "weight": 2}, {"id": "hat"}],
        "Common": [{"id": f"chip-{value}", "weight": value} for value in range(1, 9)],
    },
)


@pytest.mark.parametrize(
    ("degrees_of_freedom", "statistic"), [(1, 3.841), (2, 5.991), (3, 7.815), (10, 18.307), (15, 24.996)]
)
def test_given_the_5_percent_points_of_the_usual_tables_when_computed_then_the_p_value_is_5_percent(
    degrees_of_freedom: int, statistic: float
) -> None:
    assert p_value(statistic, degrees_of_freedom) == pytest.approx(0.05, abs=5e-5)


async def test_given_200_000_draws_when_counted_then_rarities_and_items_match_the_disclosed_odds(
    redis_url: str,
) -> None:
    world = await World.of(redis_url, ECONOMY)
    rarities: Counter[str] = Counter()
    items: Counter[str] = Counter()

    async def play(uid: int) -> None:
        for _ in range(PULLS_EACH):
            for item in (await world.pull(uid, 10)).items:
                rarities[item.rarity] += 1
                items[item.item_id] += 1

    try:
        await asyncio.gather(*(play(uid) for uid in range(1, PLAYERS + 1)))
        odds = (await world.ask(ODDS, caller(1), OddsParams(banner="main"))).odds
    finally:
        await world.close()

    disclosed = {rarity.rarity: DRAWS * rarity.weight_ppm / PPM for rarity in odds.rarities}
    assert rarities.total() == DRAWS
    assert p_value(chi_square(rarities, disclosed), 3) > LEAST_LIKELY
    expected = {
        item.id: DRAWS * item.probability.numerator / item.probability.denominator
        for rarity in odds.rarities
        for item in rarity.items
    }
    assert len(expected) == 16 and min(expected.values()) > 100
    assert p_value(chi_square(items, expected), len(expected) - 1) > LEAST_LIKELY
    # The test can fail: a fifth of a per cent more Legendary than disclosed would be found.
    shifted = disclosed | {
        "Legendary": disclosed["Legendary"] + DRAWS / 500,
        "Common": disclosed["Common"] - DRAWS / 500,
    }
    assert p_value(chi_square(rarities, shifted), 3) < LEAST_LIKELY
