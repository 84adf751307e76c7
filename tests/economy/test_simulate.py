"""Simulated play comes out as computed, and the same seed gives the same figures."""

import math

import pytest

from croupier.economy import load_economy
from croupier.economy.simulate import BannerRun, simulate_banner, simulate_games
from croupier_schemas.economy import RARITIES, Banner, Economy
from tests.commands.economies import certain, economy, main

DEFAULT = load_economy()
PULLS = 40_000


def ignore(_what: str, _done: int) -> None:
    pass


def run(banner: Banner, pulls: int = PULLS, *, seed: str = "a") -> BannerRun:
    return simulate_banner("main", banner, pulls, seed, ignore)


def only_banner(economy: Economy) -> Banner:
    return economy.gacha.banners["main"]


@pytest.mark.parametrize("name", ["standard", "spotlight"])
def test_given_unlimited_stock_when_simulated_then_every_share_is_near_its_long_run(name: str) -> None:
    ran = run(DEFAULT.gacha.banners[name])

    assert [each.rarity for each in ran.rarities] == list(RARITIES)
    assert sum(each.count for each in ran.rarities) == ran.pulls == PULLS
    assert ran.downgraded == 0
    for each in ran.rarities:
        assert each.long_run is not None
        # Pity makes the counts vary less than independent draws would; five of their standard deviations.
        assert abs(each.share - each.long_run) < 5 * math.sqrt(each.long_run / PULLS), each
    cost = DEFAULT.gacha.banners[name].cost_tokens.one
    legendary = ran.rarities[0]
    assert legendary.long_run is not None
    assert ran.tokens_per_legendary == PULLS * cost / legendary.count
    assert ran.tokens_per_legendary_long_run == pytest.approx(cost / legendary.long_run)


def test_given_hard_pity_alone_when_simulated_then_it_decides_exactly_every_nth_pull() -> None:
    pity = {"Legendary": {"hard": 10}}
    ran = run(only_banner(main(weights_ppm=certain("Common"), pity=pity)), 1_005)

    assert [each.count for each in ran.rarities] == [100, 0, 0, 905]
    assert ran.rarities[0].disclosed == 0
    assert ran.rarities[0].long_run == pytest.approx(0.1)


def test_given_limited_stock_when_simulated_then_no_more_is_drawn_and_the_rest_is_downgraded() -> None:
    ran = run(only_banner(main(weights_ppm=certain("Epic"), stock={"Epic": 30})), 100)

    assert [each.count for each in ran.rarities] == [0, 30, 0, 70]
    assert ran.downgraded == 70
    assert (ran.tokens_per_legendary, ran.tokens_per_legendary_long_run) == (None, None)


def test_given_a_seed_when_simulated_twice_then_the_same_and_with_another_seed_something_else() -> None:
    banner = DEFAULT.gacha.banners["standard"]

    assert run(banner, 2_000) == run(banner, 2_000)
    assert run(banner, 2_000) != run(banner, 2_000, seed="b")
    games = [list(simulate_games(DEFAULT, 2_000, seed, ignore)) for seed in ("a", "a", "b")]
    assert games[0] == games[1] != games[2]


def test_given_the_other_games_when_simulated_then_they_pay_about_what_they_pay_exactly() -> None:
    rounds = 60_000
    runs = {each.game: each for each in simulate_games(DEFAULT, rounds, "a", ignore)}

    assert set(runs) == {"crash", "slot", "rps"}
    assert (runs["crash"].rtp.percent, runs["rps"].rtp.percent) == ("99", "98")
    for each in runs.values():
        exact = each.rtp.numerator / each.rtp.denominator
        # The slot pays the most unevenly: its payout has a standard deviation of less than 6 bets.
        assert abs(each.observed - exact) < 5 * 6 / math.sqrt(rounds), each
    for game in ("crash", "rps"):
        exact = runs[game].rtp.numerator / runs[game].rtp.denominator
        assert abs(runs[game].observed - exact) < 5 / math.sqrt(rounds), game


def test_given_a_long_run_when_it_is_simulated_then_progress_is_told_up_to_its_end() -> None:
    told: list[tuple[str, int]] = []
    simulate_banner("main", only_banner(economy()), 25_000, "a", lambda what, done: told.append((what, done)))

    assert told == [("main", done) for done in (0, 10_000, 20_000, 25_000)]
