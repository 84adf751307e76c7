"""Observed against disclosed odds: the statistics by themselves, over rounds drawn in plain Python."""

import math
import random
from collections.abc import Callable, Iterable

import msgspec
import pytest
from msgspec.structs import replace

from croupier.admin.observed import (
    Observed,
    ObservedCrashes,
    ObservedPlays,
    ObservedPulls,
    ObservedSpins,
    Round,
)
from croupier.chi_square import Tally, survival
from croupier.economy import load_economy
from croupier.economy.banner import drawing_order, items_of
from croupier.gacha.draw import DrawState, draw
from croupier.slot.machine import wins
from croupier_schemas.economy import RARITIES, Banner, RarityWeights
from croupier_schemas.events import Change, encode_changes
from croupier_schemas.fairness import DrawRecord
from croupier_schemas.gacha import Pity
from croupier_schemas.records import (
    CRASH,
    CRASH_SETTLED,
    DRAW_GUARANTEED,
    DRAW_HARD_PITY,
    GACHA,
    GACHA_DRAW,
    PLAYER,
    RPS_PLAYED,
    SLOT_SPUN,
    Gacha,
    GachaDraw,
    RpsPlayed,
    SlotSpun,
)

ECONOMY = load_economy()
CAP_M100 = 100 * ECONOMY.crash.max_multiplier


def pulled(table: Banner, pulls: int, dice: random.Random, players: int = 5) -> list[Round]:
    """Ten-pulls of some players, drawn in plain Python."""
    states = [DrawState.before(Pity(0, 0, 0, guaranteed=False)) for _ in range(players)]
    rounds = []
    for number in range(pulls):
        state = states[number % players]
        legendary, epic, rare = (state.since[rarity] for rarity in RARITIES[:3])
        seen = Gacha(legendary, epic, rare, int(state.guaranteed), 0, 0, 0, 0)
        draws = [draw(table, state, 0, dice.random(), dice.random()) for _ in range(10)]
        result = GACHA.pack(seen) + b"".join(GACHA_DRAW.pack(recorded(table, each)) for each in draws)
        rounds.append(Round(b"", result, b""))
    return rounds


def recorded(table: Banner, drawn: DrawRecord) -> GachaDraw:
    items = [item.id for item in drawing_order(items_of(table, drawn.rarity))]
    return GachaDraw(
        rarity=RARITIES.index(drawn.rarity) + 1,
        item=items.index(drawn.item_id),
        flags=DRAW_HARD_PITY * drawn.hard_pity + DRAW_GUARANTEED * drawn.guaranteed,
        downgraded_from=RARITIES.index(drawn.downgraded_from) + 1 if drawn.downgraded_from else 0,
        stock=drawn.stock_seen or 0,
    )


def counted(counts: Observed, rounds: Iterable[Round]) -> dict[str, Tally]:
    for each in rounds:
        counts.add(each)
    return counts.tallies()


def rarities(disclosed: Banner, rounds: list[Round]) -> Tally:
    return counted(ObservedPulls(disclosed), rounds)["Rarity"]


def spins_of(spins: int, dice: Callable[[], float]) -> list[Round]:
    rounds = []
    for _ in range(spins):
        first, second, third = (math.floor(dice() * len(reel)) for reel in ECONOMY.slot.reels)
        percent = sum(win.percent for win in wins(ECONOMY.slot, (first, second, third)))
        spun = SlotSpun(first, second, third, percent, percent)
        rounds.append(Round(b"", SLOT_SPUN.pack(spun), b""))
    return rounds


def played(games: int, dice: Callable[[], float], *, deterministic: bool = False) -> list[Round]:
    terms = msgspec.msgpack.encode([0, 1, deterministic])
    moves = [math.floor(3 * dice()) for _ in range(games)]
    return [Round(terms, RPS_PLAYED.pack(RpsPlayed(move, (1 - move + 3) % 3, 0)), b"") for move in moves]


def crashed(
    rounds: int, dice: Callable[[], float], *, edge: int = 99, cap_m100: int = CAP_M100
) -> list[Round]:
    """Rounds whose crash points follow the formula of the documentation, with an edge of its own."""
    result = CRASH_SETTLED.pack(replace(CRASH_SETTLED.unpack(CRASH_SETTLED.initial), cap_m100=cap_m100))
    points = [min(cap_m100, max(100, math.floor(edge / (1 - dice())))) for _ in range(rounds)]
    images = [
        (PLAYER.initial, CRASH.pack(replace(CRASH.unpack(CRASH.initial), settled_crash_m100=point)))
        for point in points
    ]
    return [
        Round(b"", result, encode_changes([Change("p", "", one), Change("c", "", other)]))
        for one, other in images
    ]


def p_of(tally: Tally) -> float:
    p_value = tally.compared().p_value
    assert p_value is not None
    return p_value


def require_evenly_spread(values: list[float]) -> None:
    for edge in (0.1, 0.5, 0.9):
        assert abs(sum(value < edge for value in values) / len(values) - edge) < 0.13


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
    festival = ECONOMY.gacha.banners["festival"]
    table = replace(festival, stock=replace(festival.stock, Legendary=None, Epic=None))
    tally = rarities(table, pulled(table, 300, random.Random(1)))

    test, expected = tally.compared(), [3_000 * weight for weight in (0.005, 0.045, 0.25, 0.7)]

    assert tally.expected == pytest.approx(expected)
    pearson = sum((count - mean) ** 2 / mean for count, mean in zip(tally.counts, expected, strict=True))
    assert test.chi_square == pytest.approx(pearson)
    assert test.degrees_of_freedom == 3


@pytest.mark.parametrize("banner", ["standard", "spotlight", "festival"])
def test_given_honest_draws_with_pity_guarantee_and_stock_when_tested_often_then_p_is_evenly_spread(
    banner: str,
) -> None:
    table, dice = ECONOMY.gacha.banners[banner], random.Random(banner)
    tests = [counted(ObservedPulls(table), pulled(table, 100, dice)) for _ in range(150)]

    for name in ("Rarity", "Rare items", "Common items"):
        require_evenly_spread([p_of(each[name]) for each in tests])


def test_given_honest_rounds_of_the_other_games_when_tested_often_then_p_is_evenly_spread() -> None:
    dice = random.Random(11).random
    values: dict[str, list[float]] = {}
    for _ in range(100):
        for tallies in (
            counted(ObservedSpins(ECONOMY.slot), spins_of(150, dice)),
            counted(ObservedPlays(), played(150, dice)),
            counted(ObservedCrashes(CAP_M100), crashed(150, dice)),
        ):
            for name, tally in tallies.items():
                values.setdefault(name, []).append(p_of(tally))

    assert len(values) == 7
    for spread in values.values():
        require_evenly_spread(spread)


def test_given_draws_that_pity_made_when_tested_against_a_table_without_it_then_they_do_not_fit() -> None:
    table = ECONOMY.gacha.banners["spotlight"]
    rounds = pulled(table, 400, random.Random(2))

    assert p_of(rarities(table, rounds)) > 0.001
    assert p_of(rarities(replace(table, pity=type(table.pity)()), rounds)) < 1e-9


def test_given_draws_with_other_weights_than_disclosed_when_tested_then_p_is_small() -> None:
    table = ECONOMY.gacha.banners["standard"]
    hidden = replace(
        table, weights_ppm=RarityWeights(Legendary=5_000, Epic=60_000, Rare=190_000, Common=745_000)
    )

    assert p_of(rarities(table, pulled(hidden, 300, random.Random(3)))) < 1e-4


def test_given_items_with_other_weights_than_disclosed_when_tested_then_only_their_table_does_not_fit() -> (
    None
):
    table = ECONOMY.gacha.banners["standard"]
    first, *others = table.items.Common
    hidden = replace(
        table, items=replace(table.items, Common=(replace(first, weight=first.weight * 2), *others))
    )

    tallies = counted(ObservedPulls(table), pulled(hidden, 300, random.Random(5)))

    assert p_of(tallies["Common items"]) < 1e-6
    assert p_of(tallies["Rarity"]) > 0.001 and p_of(tallies["Rare items"]) > 0.001


def test_given_a_guarantee_when_an_item_that_is_not_featured_comes_then_p_is_zero() -> None:
    table = ECONOMY.gacha.banners["spotlight"]
    items = drawing_order(items_of(table, "Legendary"))
    other = next(number for number, item in enumerate(items) if not item.featured)
    due = GACHA.pack(Gacha(0, 0, 0, 1, 0, 0, 0, 0))

    wrong, right = (
        counted(
            ObservedPulls(table),
            [Round(b"", due + GACHA_DRAW.pack(GachaDraw(1, item, DRAW_GUARANTEED, 0, 0)), b"")],
        )["Legendary items"].compared()
        for item in (other, 0)
    )

    assert (wrong.chi_square, wrong.p_value) == (None, 0.0)
    assert right.p_value is None


def test_given_a_guarantee_that_a_pull_earns_when_its_next_draws_are_counted_then_it_holds_for_one() -> None:
    table = ECONOMY.gacha.banners["spotlight"]
    items = drawing_order(items_of(table, "Legendary"))
    other = next(number for number, item in enumerate(items) if not item.featured)
    fresh = GACHA.pack(Gacha(0, 0, 0, 0, 0, 0, 0, 0))
    draws = b"".join(GACHA_DRAW.pack(GachaDraw(1, item, 0, 0, 0)) for item in (other, 0, other))

    tally = counted(ObservedPulls(table), [Round(b"", fresh + draws, b"")])["Legendary items"]

    featured = sum(item.weight for item in items if item.featured) / sum(item.weight for item in items)
    assert sum(tally.expected[: sum(item.featured for item in items)]) == pytest.approx(1 + 2 * featured)
    assert tally.compared().p_value is None


def test_given_a_draw_that_cannot_be_when_tested_then_p_is_zero() -> None:
    table = ECONOMY.gacha.banners["standard"]
    due = GACHA.pack(Gacha(89, 0, 0, 0, 0, 0, 0, 0))
    common = Round(b"", due + GACHA_DRAW.pack(GachaDraw(4, 0, 0, 0, 0)), b"")

    assert p_of(rarities(table, [common])) == 0.0


def test_given_few_draws_when_tested_then_rare_ones_are_counted_with_lower_ones_or_nothing_is_said() -> None:
    table = ECONOMY.gacha.banners["standard"]

    none = rarities(table, pulled(table, 1, random.Random(4))).compared()
    some = rarities(table, pulled(table, 20, random.Random(4))).compared()

    assert (none.p_value, none.chi_square, none.degrees_of_freedom) == (None, None, 0)
    assert some.groups == [[0, 1], [2], [3]]
    assert some.p_value is not None


def test_given_reels_that_favour_the_house_when_tested_then_payouts_reels_and_mean_do_not_fit() -> None:
    dice = random.Random(6).random
    honest, bent = ObservedSpins(ECONOMY.slot), ObservedSpins(ECONOMY.slot)
    fair, unfair = counted(honest, spins_of(2_000, dice)), counted(bent, spins_of(2_000, lambda: dice() ** 2))

    assert min(map(p_of, fair.values())) > 0.001
    assert max(p_of(unfair[f"Reel {number}, top row"]) for number in (1, 2, 3)) < 1e-4
    assert p_of(unfair["Payout of a spin"]) < 1e-4
    mean = honest.mean()
    assert mean is not None
    assert abs(mean.observed - mean.expected) < 4 * mean.deviation
    assert 90 < mean.expected < 100
    assert ObservedSpins(ECONOMY.slot).mean() is None


def test_given_moves_that_are_not_even_when_tested_then_they_do_not_fit_and_those_set_do_not_count() -> None:
    dice = random.Random(7).random
    bent = counted(ObservedPlays(), played(600, lambda: dice() ** 1.3))
    set_by_a_test = counted(ObservedPlays(), played(10, dice, deterministic=True))

    assert p_of(bent["Move of the server"]) < 1e-4 and p_of(bent["Outcome"]) < 1e-4
    assert set_by_a_test["Outcome"].draws == 0


def test_given_crash_points_with_another_edge_or_cap_when_tested_then_only_the_edge_does_not_fit() -> None:
    dice = random.Random(8).random

    def p_under(rounds: list[Round]) -> float:
        return p_of(counted(ObservedCrashes(CAP_M100), rounds)["Crash point"])

    assert p_under(crashed(2_000, dice)) > 0.001
    assert p_under(crashed(2_000, dice, cap_m100=300)) > 0.001
    assert p_under(crashed(2_000, dice, edge=95)) < 1e-4


def test_given_a_settlement_that_ended_no_round_then_it_does_not_count() -> None:
    settlement = crashed(1, random.Random(9).random)[0]._replace(result=b"")

    assert counted(ObservedCrashes(CAP_M100), [settlement])["Crash point"].draws == 0
