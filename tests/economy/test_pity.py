"""Soft and hard pity by numbers worked out by hand."""

from typing import Any

import pytest

from croupier.gacha.pity import draw_weights, effective_weights, hard_pity_due, soft_pity_end
from tests.economy.documents import banner_of

WEIGHTS = {"Legendary": 6_000, "Epic": 51_000, "Rare": 143_000, "Common": 800_000}
SPOTLIGHT = banner_of(
    weights_ppm=WEIGHTS, pity={"Legendary": {"hard": 90, "soft": {"from_draw": 74, "step_ppm": 60_000}}}
)


def soft(from_draw: int, step_ppm: int) -> dict[str, Any]:
    return {"soft": {"from_draw": from_draw, "step_ppm": step_ppm}}


@pytest.mark.parametrize(
    ("draw", "weights"),
    [
        (1, (6_000, 51_000, 143_000, 800_000)),
        (73, (6_000, 51_000, 143_000, 800_000)),
        (74, (66_000, 51_000, 143_000, 740_000)),  # the first step
        (75, (126_000, 51_000, 143_000, 680_000)),
        (86, (786_000, 51_000, 143_000, 20_000)),  # 13 steps, all from Common
        (87, (846_000, 51_000, 103_000, 0)),  # 840,000: 800,000 from Common, 40,000 from Rare
        (88, (906_000, 51_000, 43_000, 0)),
        (89, (966_000, 34_000, 0, 0)),  # 960,000: 17,000 of it from Epic
        (90, (1_000_000, 0, 0, 0)),  # 1,020,000 asked for, 994,000 there
        (65_535, (1_000_000, 0, 0, 0)),
    ],
)
def test_given_soft_pity_of_legendary_when_draws_go_by_then_it_takes_from_common_then_rare_then_epic(
    draw: int, weights: tuple[int, int, int, int]
) -> None:
    assert effective_weights(SPOTLIGHT, (draw - 1, 0, 0)) == weights


@pytest.mark.parametrize(
    ("pity", "counters", "weights"),
    [
        # Epic takes from Common and Rare, never from Legendary.
        ({"Epic": soft(5, 500_000)}, (0, 3, 0), (6_000, 51_000, 143_000, 800_000)),
        ({"Epic": soft(5, 500_000)}, (0, 4, 0), (6_000, 551_000, 143_000, 300_000)),
        ({"Epic": soft(5, 500_000)}, (0, 5, 0), (6_000, 994_000, 0, 0)),
        ({"Epic": soft(5, 500_000)}, (0, 400, 0), (6_000, 994_000, 0, 0)),
        # Rare takes from Common only.
        ({"Rare": soft(1, 900_000)}, (0, 0, 0), (6_000, 51_000, 943_000, 0)),
        ({"Rare": soft(1, 900_000)}, (0, 0, 9), (6_000, 51_000, 943_000, 0)),
        # Each has its own counter.
        ({"Epic": soft(5, 500_000)}, (4, 0, 4), (6_000, 51_000, 143_000, 800_000)),
        # Legendary is served first: it takes 700,000 of Common, Epic the last 100,000 and 20,000 of Rare.
        (
            {"Legendary": soft(2, 700_000), "Epic": soft(2, 120_000)},
            (1, 1, 0),
            (706_000, 171_000, 123_000, 0),
        ),
        # Then Epic, then Rare, which finds Common empty.
        (
            {"Legendary": soft(2, 750_000), "Epic": soft(2, 100_000), "Rare": soft(2, 40_000)},
            (1, 1, 1),
            (756_000, 151_000, 93_000, 0),
        ),
        ({"Epic": soft(2, 100_000), "Rare": soft(2, 100_000)}, (0, 1, 1), (6_000, 151_000, 243_000, 600_000)),
    ],
)
def test_given_soft_pity_of_several_rarities_when_counters_differ_then_each_takes_from_below_itself_only(
    pity: dict[str, Any], counters: tuple[int, int, int], weights: tuple[int, int, int, int]
) -> None:
    assert effective_weights(banner_of(weights_ppm=WEIGHTS, pity=pity), counters) == weights


@pytest.mark.parametrize(
    ("counters", "due"),
    [
        ((88, 0, 0), None),
        ((89, 0, 0), 0),
        ((90, 0, 0), 0),
        ((0, 8, 0), None),
        ((0, 9, 0), 1),
        ((0, 9, 4), 1),
        ((0, 0, 4), 2),
        ((89, 9, 4), 0),
        ((0, 65_535, 0), 1),
    ],
)
def test_given_hard_pity_of_all_rarities_when_several_are_due_then_the_highest_decides(
    counters: tuple[int, int, int], due: int | None
) -> None:
    banner = banner_of(pity={"Legendary": {"hard": 90}, "Epic": {"hard": 10}, "Rare": {"hard": 5}})

    assert hard_pity_due(banner, counters) == due
    certain = None if due is None else tuple(1_000_000 if index == due else 0 for index in range(4))
    assert draw_weights(banner, counters) == (certain or (10_000, 60_000, 230_000, 700_000))


def test_given_no_pity_when_draws_go_by_then_nothing_changes() -> None:
    banner = banner_of(pity={})

    assert draw_weights(banner, (9_999, 9_999, 9_999)) == (10_000, 60_000, 230_000, 700_000)
    assert soft_pity_end(banner, 0) is None


@pytest.mark.parametrize(
    ("pity", "index", "end"),
    [
        ({"Legendary": soft(74, 60_000)}, 0, 90),  # 994,000 below: 17 steps, draws 74 to 90
        ({"Legendary": soft(10, 994_000)}, 0, 10),
        ({"Legendary": soft(10, 993_999)}, 0, 11),
        ({"Epic": soft(5, 500_000)}, 1, 6),
        ({"Rare": soft(1, 1_000)}, 2, 800),
    ],
)
def test_given_soft_pity_when_its_end_is_asked_for_then_it_is_the_first_draw_that_has_all(
    pity: dict[str, Any], index: int, end: int
) -> None:
    banner = banner_of(weights_ppm=WEIGHTS, pity=pity)

    assert soft_pity_end(banner, index) == end
    before, at, after = (effective_weights(banner, (draw - 1,) * 3) for draw in (end - 1, end, end + 1))
    assert before != at == after
