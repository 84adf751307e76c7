"""The disclosed table: exact, complete, and the same as the rules that decide a draw."""

from fractions import Fraction

import msgspec
import pytest

from croupier.economy import load_economy
from croupier.gacha.odds import disclose
from croupier_schemas.economy import RARITIES, Economy
from croupier_schemas.odds import ItemOdds, Odds, Probability, RarityOdds
from tests.economy.documents import ITEMS, economy_of

UPPER_WEIGHTS = {"Legendary": 6_000, "Epic": 51_000, "Rare": 143_000, "Common": 800_000}


def fraction(probability: Probability) -> Fraction:
    return Fraction(probability.numerator, probability.denominator)


def odds_of(economy: Economy) -> Odds:
    return disclose(economy, "main")


def rarity_odds(odds: Odds, rarity: str) -> RarityOdds:
    (found,) = [each for each in odds.rarities if each.rarity == rarity]
    return found


def item_odds(odds: Odds, item_id: str) -> ItemOdds:
    (found,) = [item for rarity in odds.rarities for item in rarity.items if item.id == item_id]
    return found


@pytest.mark.parametrize("name", ["standard", "festival", "spotlight"])
def test_given_a_default_banner_when_disclosed_then_all_chances_sum_to_exactly_one(name: str) -> None:
    odds = disclose(load_economy(), name)

    assert [each.rarity for each in odds.rarities] == list(RARITIES)
    assert sum(fraction(rarity.probability) for rarity in odds.rarities) == 1
    assert sum(fraction(item.probability) for rarity in odds.rarities for item in rarity.items) == 1
    for rarity in odds.rarities:
        assert sum(fraction(item.probability) for item in rarity.items) == fraction(rarity.probability)
        assert fraction(rarity.probability) == Fraction(rarity.weight_ppm, 1_000_000)


def test_given_a_guarantee_that_is_due_when_disclosed_then_featured_items_share_the_whole_rarity() -> None:
    odds = disclose(load_economy(), "spotlight")

    legendary = rarity_odds(odds, "Legendary")
    due = [item.probability_guaranteed for item in legendary.items if item.probability_guaranteed]
    assert len(due) == len(legendary.items)
    assert sum(map(fraction, due)) == fraction(legendary.probability)
    assert all(item.probability_guaranteed is None for item in rarity_odds(odds, "Epic").items)
    assert [(item.id, item.featured) for item in legendary.items][:2] == [
        ("queen_of_spades", True),
        ("king_of_clubs", False),
    ]
    assert fraction(legendary.items[0].probability) == Fraction(3, 1_000)
    assert fraction(due[0]) == Fraction(6, 1_000)
    assert due[1] == Probability(numerator=0, denominator=1, percent="0")


def test_given_a_guarantee_when_disclosed_then_the_long_run_share_of_featured_items_counts_it_in() -> None:
    odds = disclose(load_economy(), "spotlight")

    assert odds.guarantee is not None and odds.guarantee.rarity == "Legendary"
    assert fraction(odds.guarantee.featured) == Fraction(1, 2)
    # Half of the runs are one item long, half two, and each ends with the featured one.
    assert fraction(odds.guarantee.featured_long_run) == Fraction(2, 3)
    legendary = rarity_odds(odds, "Legendary")
    shares = [float(item.long_run.percent) for item in legendary.items if item.long_run]
    assert legendary.long_run is not None
    rate = float(legendary.long_run.percent)
    assert shares == pytest.approx([rate * 2 / 3, rate / 9, rate / 9, rate / 9], rel=1e-5)


def test_given_featured_items_without_a_guarantee_when_disclosed_then_they_only_come_first() -> None:
    legendary = ITEMS["Legendary"][::-1]  # the featured item listed last
    odds = odds_of(economy_of(items=ITEMS | {"Legendary": legendary}))

    assert odds.guarantee is None
    crown, roulette = rarity_odds(odds, "Legendary").items
    assert (crown.id, roulette.id) == ("crown", "roulette")
    assert crown.probability == Probability(numerator=3, denominator=400, percent="0.75")
    assert crown.probability_guaranteed is None
    assert crown.long_run is not None and roulette.long_run is not None
    assert float(crown.long_run.percent) == pytest.approx(3 * float(roulette.long_run.percent), rel=1e-5)


@pytest.mark.parametrize(
    ("weight", "others", "percent"),
    [
        (1, 2, "23.33333333"),  # 70 % / 3, ten digits
        (2, 1, "46.66666667"),
        (1, 999_999, "0.00007"),
    ],
)
def test_given_a_fraction_when_disclosed_then_its_decimal_is_rounded_and_has_no_exponent(
    weight: int, others: int, percent: str
) -> None:
    common = [{"id": "chip", "weight": weight}, {"id": "coin", "weight": others}]
    odds = odds_of(economy_of(items=ITEMS | {"Common": common}))

    assert item_odds(odds, "chip").probability.percent == percent


def test_given_soft_and_hard_pity_when_disclosed_then_there_is_a_row_for_each_draw_up_to_certainty() -> None:
    pity = {"Legendary": {"hard": 90, "soft": {"from_draw": 74, "step_ppm": 60_000}}}
    legendary = rarity_odds(odds_of(economy_of(weights_ppm=UPPER_WEIGHTS, pity=pity)), "Legendary")

    assert legendary.hard_pity == 90
    assert legendary.soft_pity is not None
    rows = [(row.draw, *msgspec.structs.astuple(row.weights_ppm)) for row in legendary.soft_pity.table]
    assert [row[0] for row in rows] == list(range(74, 91))
    assert rows[0] == (74, 66_000, 51_000, 143_000, 740_000)
    assert rows[13] == (87, 846_000, 51_000, 103_000, 0)
    assert rows[15] == (89, 966_000, 34_000, 0, 0)
    assert rows[16] == (90, 1_000_000, 0, 0, 0)
    assert all(sum(row[1:]) == 1_000_000 for row in rows)


def test_given_soft_pity_that_ends_before_hard_pity_when_disclosed_then_the_table_ends_with_it() -> None:
    pity = {"Epic": {"hard": 500, "soft": {"from_draw": 5, "step_ppm": 500_000}}}
    epic = rarity_odds(odds_of(economy_of(weights_ppm=UPPER_WEIGHTS, pity=pity)), "Epic")

    assert epic.soft_pity is not None
    assert [(row.draw, row.weights_ppm.Epic) for row in epic.soft_pity.table] == [(5, 551_000), (6, 994_000)]


def test_given_hard_pity_that_comes_before_soft_pity_ends_when_disclosed_then_the_last_row_is_certain() -> (
    None
):
    pity = {"Epic": {"hard": 7, "soft": {"from_draw": 5, "step_ppm": 1_000}}}
    epic = rarity_odds(odds_of(economy_of(weights_ppm=UPPER_WEIGHTS, pity=pity)), "Epic")

    assert epic.soft_pity is not None
    rows = [(row.draw, row.weights_ppm.Epic) for row in epic.soft_pity.table]
    assert rows == [(5, 52_000), (6, 53_000), (7, 1_000_000)]


def test_given_the_longest_soft_pity_when_disclosed_then_the_table_has_a_thousand_rows() -> None:
    pity = {"Legendary": {"soft": {"from_draw": 10_000, "step_ppm": 1_000}}}
    weights = {"Legendary": 0, "Epic": 0, "Rare": 0, "Common": 1_000_000}
    legendary = rarity_odds(odds_of(economy_of(weights_ppm=weights, pity=pity)), "Legendary")

    assert legendary.soft_pity is not None
    assert len(legendary.soft_pity.table) == 1_000


def test_given_settings_of_all_kinds_when_disclosed_then_they_are_told_as_they_are() -> None:
    economy = economy_of(
        enabled=False, near_miss_ppm=5, stock={"Legendary": 7, "Rare": 0}, pity={"Epic": {"hard": 10}}
    )
    odds = odds_of(economy)

    assert (odds.banner, odds.enabled, odds.near_miss_ppm) == ("main", False, 5)
    assert [each.initial_stock for each in odds.rarities] == [7, None, 0, None]
    assert [each.hard_pity for each in odds.rarities] == [None, 10, None, None]
    assert [each.soft_pity for each in odds.rarities] == [None] * 4


def test_given_an_odds_table_when_encoded_then_it_is_json_that_any_client_reads_exactly() -> None:
    for name in load_economy().gacha.banners:
        odds = disclose(load_economy(), name)
        encoded = msgspec.json.encode(odds)

        assert msgspec.json.decode(encoded, type=Odds) == odds
        assert all(each.probability.denominator < 2**53 for each in odds.rarities)
        assert all(item.probability.denominator < 2**53 for each in odds.rarities for item in each.items)


def test_given_an_item_that_never_comes_when_disclosed_then_it_has_no_expected_number_of_draws() -> None:
    weights = {"Legendary": 0, "Epic": 70_000, "Rare": 230_000, "Common": 700_000}
    odds = odds_of(economy_of(weights_ppm=weights, pity={}))

    legendary = rarity_odds(odds, "Legendary")
    assert legendary.long_run is not None
    assert (legendary.long_run.percent, legendary.long_run.expected_draws) == ("0", None)


def test_given_pity_that_reaches_very_far_when_disclosed_then_only_the_long_run_is_missing() -> None:
    odds = odds_of(economy_of(pity={"Legendary": {"hard": 5_000}, "Epic": {"hard": 5_000}}))

    assert [each.long_run for each in odds.rarities] == [None] * 4
    assert item_odds(odds, "dice").long_run is None
    assert item_odds(odds, "dice").probability.percent == "6"


def test_given_an_unknown_banner_when_disclosed_then_it_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        disclose(load_economy(), "missing")
