"""What comes out in the long run: against closed forms, a simulation, and chains with known answers."""

import random
from typing import Any

import pytest

from croupier.gacha.long_run import long_run_rates
from croupier.gacha.markov import stationary
from croupier.gacha.pity import draw_weights
from croupier_schemas.economy import Banner
from tests.economy.documents import banner_of, unchecked_banner

ALL_COMMON = {"Legendary": 0, "Epic": 0, "Rare": 0, "Common": 1_000_000}


def rates_of(**settings: Any) -> tuple[float, float, float, float]:
    rates = long_run_rates(banner_of(**settings))
    assert rates is not None
    assert sum(rates) == pytest.approx(1, abs=1e-9)
    return rates


def simulate(banner: Banner, draws: int) -> list[float]:
    """Shares of the rarities in a run of draws with a fixed seed."""
    generator = random.Random(20_240_229)
    counters, counts = [0, 0, 0], [0, 0, 0, 0]
    for _ in range(draws):
        weights = draw_weights(banner, (counters[0], counters[1], counters[2]))
        (delivered,) = generator.choices(range(4), weights)
        counts[delivered] += 1
        counters = [0 if index == delivered else counter + 1 for index, counter in enumerate(counters)]
    return [count / draws for count in counts]


def test_given_no_pity_when_asked_for_the_long_run_then_the_rates_are_the_weights() -> None:
    assert rates_of(pity={}) == pytest.approx((0.01, 0.06, 0.23, 0.7))


def test_given_hard_pity_alone_when_asked_for_the_long_run_then_it_is_the_truncated_geometric_mean() -> None:
    legendary, epic, rare, common = rates_of(pity={"Legendary": {"hard": 90}})

    assert 1 / legendary == pytest.approx((1 - 0.99**90) / 0.01, rel=1e-9)
    # The draws that pity does not decide keep their proportions.
    assert (epic / common, rare / common) == pytest.approx((6 / 70, 23 / 70), rel=1e-9)


def test_given_soft_pity_alone_when_asked_for_the_long_run_then_it_is_the_sum_of_survivals() -> None:
    legendary, *_ = rates_of(pity={"Legendary": {"hard": 90, "soft": {"from_draw": 74, "step_ppm": 60_000}}})

    expected_draws, survival = 0.0, 1.0
    for draw in range(1, 91):
        expected_draws += survival
        survival *= 0 if draw == 90 else 1 - min(1.0, 0.01 + max(0, draw - 73) * 0.06)
    assert 1 / legendary == pytest.approx(expected_draws, rel=1e-9)


def test_given_soft_pity_without_hard_when_it_has_ended_then_the_last_weights_go_on() -> None:
    # From draw 2 on, Epic has all but the 1 % of Legendary.
    _, epic, *_ = rates_of(pity={"Epic": {"soft": {"from_draw": 2, "step_ppm": 1_000_000}}})

    # A share `epic` of all draws follows an Epic, and so has number 1.
    assert epic == pytest.approx(epic * 0.06 + (1 - epic) * 0.99, rel=1e-9)


def test_given_hard_pity_of_a_lower_rarity_when_it_takes_draws_then_legendary_becomes_rarer() -> None:
    alone, *_ = rates_of(pity={"Legendary": {"hard": 90}})
    beside_epic, *_ = rates_of(pity={"Legendary": {"hard": 90}, "Epic": {"hard": 10}})

    assert 1 / alone == pytest.approx(59.527, abs=0.001)
    assert 1 / beside_epic == pytest.approx(61.287, abs=0.001)


def test_given_all_kinds_of_pity_when_simulated_then_the_shares_agree() -> None:
    banner = banner_of(
        pity={
            "Legendary": {"hard": 60, "soft": {"from_draw": 40, "step_ppm": 30_000}},
            "Epic": {"hard": 12, "soft": {"from_draw": 8, "step_ppm": 150_000}},
            "Rare": {"soft": {"from_draw": 3, "step_ppm": 100_000}},
        }
    )
    draws = 100_000

    rates = long_run_rates(banner)

    assert rates is not None
    # Pity makes counts less variable than independent draws, whose standard deviation is the bound used here.
    for share, rate in zip(simulate(banner, draws), rates, strict=True):
        assert abs(share - rate) < 4 * (rate * (1 - rate) / draws) ** 0.5


def test_given_nothing_but_hard_pity_when_asked_for_the_long_run_then_the_fixed_course_is_averaged() -> None:
    legendary, epic, rare, common = rates_of(
        weights_ppm=ALL_COMMON, pity={"Legendary": {"hard": 6}, "Epic": {"hard": 3}}
    )

    # C C E C C L, both being due at the sixth draw, and from then on E C C E C L again and again.
    assert (legendary, epic, rare, common) == pytest.approx((1 / 6, 2 / 6, 0, 3 / 6))


def test_given_a_rarity_without_weight_or_pity_when_asked_for_the_long_run_then_its_rate_is_zero() -> None:
    assert rates_of(weights_ppm=ALL_COMMON, pity={}) == (0, 0, 0, 1)


def test_given_a_rarity_that_leaves_nothing_when_others_have_soft_pity_then_it_is_all_there_is() -> None:
    rates = rates_of(
        weights_ppm={"Legendary": 1_000_000, "Epic": 0, "Rare": 0, "Common": 0},
        pity={"Epic": {"soft": {"from_draw": 5, "step_ppm": 1_000}}},
    )

    assert rates == (1, 0, 0, 0)


def test_given_a_rarity_of_one_in_a_million_when_asked_for_the_long_run_then_it_is_exact_enough() -> None:
    legendary, *_ = rates_of(
        weights_ppm={"Legendary": 1, "Epic": 0, "Rare": 0, "Common": 999_999},
        pity={"Legendary": {"hard": 10_000}},
    )

    assert 1 / legendary == pytest.approx((1 - (1 - 1e-6) ** 10_000) / 1e-6, rel=1e-9)


def test_given_pity_that_reaches_very_far_when_asked_for_the_long_run_then_there_is_no_answer() -> None:
    banner = unchecked_banner(pity={"Legendary": {"hard": 201}, "Epic": {"hard": 100}})

    assert long_run_rates(banner) is None


@pytest.mark.parametrize(
    ("successors", "shares"),
    [
        ([[(0, 3)]], [1]),
        ([[(1, 1)], [(0, 1)]], [1 / 2, 1 / 2]),  # a period of two
        (
            [[(2, 1)], [(3, 1)], [(1, 1)], [(0, 1)]],
            [1 / 4] * 4,
        ),  # sweeps start in turn at the first and the second
        ([[(0, 3), (1, 1)], [(0, 1), (1, 1)]], [2 / 3, 1 / 3]),
        ([[(1, 1)], [(2, 1)], [(1, 1), (2, 1)]], [0, 1 / 3, 2 / 3]),  # never back to the first state
        ([[(1, 1), (0, 9)], [(1, 5)]], [0, 1]),  # no way out of the second
    ],
)
def test_given_a_chain_with_a_known_answer_when_solved_then_it_is_found(
    successors: list[list[tuple[int, int]]], shares: list[float]
) -> None:
    assert stationary(successors) == pytest.approx(shares, abs=1e-9)
