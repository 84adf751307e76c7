"""Observed against disclosed odds: the statistics by themselves, and what an operator is told."""

import random
from collections import Counter, defaultdict
from typing import Any

import pytest
from msgspec.structs import replace

from croupier.chi_square import survival
from croupier.economy import load_economy
from croupier.gacha.draw import DrawState, draw
from croupier.gacha.observed import Observed
from croupier_schemas.economy import RARITIES, Banner, RarityWeights
from croupier_schemas.gacha import Pity
from croupier_schemas.records import DRAW_HARD_PITY, GACHA, GACHA_DRAW, Gacha, GachaDraw
from croupier_sync.push import push
from tests.http.console import open_house

ECONOMY = load_economy()
ODDS = "/api/admin/odds"


def pulled(table: Banner, pulls: int, dice: random.Random, players: int = 5) -> list[bytes]:
    """Results of ten-pulls of some players, drawn in plain Python."""
    states = [DrawState.before(Pity(0, 0, 0, guaranteed=False)) for _ in range(players)]
    results = []
    for number in range(pulls):
        state = states[number % players]
        legendary, epic, rare = (state.since[rarity] for rarity in RARITIES[:3])
        seen = Gacha(legendary, epic, rare, int(state.guaranteed), 0, 0, 0, 0)
        draws = [draw(table, state, 0, dice.random(), dice.random()) for _ in range(10)]
        results.append(
            GACHA.pack(seen)
            + b"".join(
                GACHA_DRAW.pack(
                    GachaDraw(
                        rarity=RARITIES.index(each.rarity) + 1,
                        item=0,
                        flags=DRAW_HARD_PITY if each.hard_pity else 0,
                        downgraded_from=RARITIES.index(each.downgraded_from) + 1
                        if each.downgraded_from
                        else 0,
                        stock=each.stock_seen or 0,
                    )
                )
                for each in draws
            )
        )
    return results


def counted(disclosed: Banner, results: list[bytes]) -> Observed:
    observed = Observed(disclosed)
    for result in results:
        observed.add(result)
    return observed


@pytest.mark.parametrize(
    ("value", "degrees", "probability"),
    [
        (0.0, 1, 1.0),
        (3.8415, 1, 0.05),
        (9.2103, 2, 0.01),
        (7.8147, 3, 0.05),
        (9.4877, 4, 0.05),
        (40.0, 5, 1.5e-7),
    ],
)
def test_given_a_value_of_chi_square_then_its_tail_is_that_of_the_tables(
    value: float, degrees: int, probability: float
) -> None:
    assert survival(value, degrees) == pytest.approx(probability, rel=1e-3 if probability > 1e-3 else 0.1)


def test_given_draws_without_pity_when_compared_then_it_is_pearsons_statistic() -> None:
    table = replace(
        ECONOMY.gacha.banners["festival"],
        stock=replace(ECONOMY.gacha.banners["festival"].stock, Legendary=None, Epic=None),
    )
    observed = counted(table, pulled(table, 300, random.Random(1)))

    test, expected = observed.compared(), [3_000 * weight for weight in (0.005, 0.045, 0.25, 0.7)]

    assert observed.expected == pytest.approx(expected)
    pearson = sum((count - mean) ** 2 / mean for count, mean in zip(observed.counts, expected, strict=True))
    assert test.chi_square == pytest.approx(pearson)
    assert test.degrees_of_freedom == 3


@pytest.mark.parametrize("banner", ["standard", "spotlight", "festival"])
def test_given_honest_draws_with_pity_guarantee_and_stock_when_tested_often_then_p_is_evenly_spread(
    banner: str,
) -> None:
    table, dice = ECONOMY.gacha.banners[banner], random.Random(banner)
    tests = [counted(table, pulled(table, 100, dice)).compared() for _ in range(150)]

    values = [test.p_value for test in tests if test.p_value is not None]

    assert len(values) == 150
    for edge in (0.1, 0.5, 0.9):
        assert abs(sum(value < edge for value in values) / 150 - edge) < 0.13


def test_given_draws_that_pity_made_when_tested_against_a_table_without_it_then_they_do_not_fit() -> None:
    table = ECONOMY.gacha.banners["spotlight"]
    results = pulled(table, 400, random.Random(2))

    assert (counted(table, results).compared().p_value or 0) > 0.001
    assert (counted(replace(table, pity=type(table.pity)()), results).compared().p_value or 0) < 1e-9


def test_given_draws_with_other_weights_than_disclosed_when_tested_then_p_is_small() -> None:
    table = ECONOMY.gacha.banners["standard"]
    hidden = replace(
        table, weights_ppm=RarityWeights(Legendary=5_000, Epic=60_000, Rare=190_000, Common=745_000)
    )

    assert (counted(table, pulled(hidden, 300, random.Random(3))).compared().p_value or 0) < 1e-4


def test_given_a_draw_that_cannot_be_when_tested_then_p_is_zero() -> None:
    table = ECONOMY.gacha.banners["standard"]
    due = Gacha(89, 0, 0, 0, 0, 0, 0, 0)
    observed = counted(table, [GACHA.pack(due) + GACHA_DRAW.pack(GachaDraw(4, 0, 0, 0, 0))])

    assert observed.compared().p_value == 0.0


def test_given_few_draws_when_tested_then_rare_ones_are_counted_with_lower_ones_or_nothing_is_said() -> None:
    table = ECONOMY.gacha.banners["standard"]

    none = counted(table, pulled(table, 1, random.Random(4))).compared()
    some = counted(table, pulled(table, 20, random.Random(4))).compared()

    assert (none.p_value, none.chi_square, none.degrees_of_freedom) == (None, None, 0)
    assert some.groups == [[0, 1], [2], [3]]
    assert some.p_value is not None


async def test_given_pulls_under_two_versions_when_asked_then_counts_are_those_that_were_played(
    redis_url: str, database_url: str
) -> None:
    played: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    async with open_house(redis_url, database_url, Legendary=0, Epic=0) as house:
        for uid in range(1, 4):
            for banner in ("standard", "festival"):
                reply = await house.pull(uid, 10, banner)
                played[banner, reply["receipt"]["economy"]].append(reply)
        changed = replace(house.casino.economy, initial_tokens=house.casino.economy.initial_tokens + 1)
        version, _ = await push(house.casino.transport, house.postgres, changed)
        reply = await house.pull(1, 10, "festival")
        played["festival", reply["receipt"]["economy"]].append(reply)
        await house.settled()

        found = await house.ask(ODDS)
        newest = await house.ask(ODDS + "?pulls=2")

    assert (found["total"], found["pulls"], found["complete"]) == (3, 7, True)
    assert (newest["pulls"], newest["complete"]) == (2, False)
    assert {(item["banner"], item["economy"]) for item in found["items"]} == set(played)
    for item in found["items"]:
        replies = played[item["banner"], item["economy"]]
        drawn = Counter(
            each["downgraded_from"] or each["rarity"] for reply in replies for each in reply["items"]
        )
        assert {each["rarity"]: each["observed"] for each in item["rarities"]} == {
            rarity: drawn[rarity] for rarity in RARITIES
        }
        assert (item["pulls"], item["draws"]) == (len(replies), 10 * len(replies))
        assert item["in_force"] is (item["economy"] == version)
        assert sum(each["expected"] for each in item["rarities"]) == pytest.approx(item["draws"])
        assert item["first_at"] <= item["last_at"] <= found["as_of"]


async def test_given_nothing_played_when_asked_then_there_are_no_groups(
    redis_url: str, database_url: str
) -> None:
    async with open_house(redis_url, database_url) as house:
        found = await house.ask(ODDS)

    assert (found["total"], found["items"], found["pulls"], found["complete"]) == (0, [], 0, True)
