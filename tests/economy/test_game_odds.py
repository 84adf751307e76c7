"""What is disclosed about crash, slot machine and rock, paper, scissors follows from the rules of each game."""

import math
from fractions import Fraction

import msgspec
import pytest

from croupier.crash import odds as crash_odds
from croupier.crash.queries import ODDS as CRASH_ODDS
from croupier.economy import load_economy
from croupier.probability import exact
from croupier.query import Query
from croupier.rps import odds as rps_odds
from croupier.rps.queries import ODDS as RPS_ODDS
from croupier.slot.machine import LINES, analyse
from croupier.slot.odds import disclose as disclose_slot
from croupier.slot.queries import ODDS as SLOT_ODDS
from croupier_schemas.crash import CrashOdds, CrashOddsReply
from croupier_schemas.economy import Crash, Pays, Rps, Slot
from croupier_schemas.odds import Probability
from croupier_schemas.rps import RpsOdds, RpsOddsReply
from croupier_schemas.slot import SlotOdds, SlotOddsReply


def fraction(probability: Probability) -> Fraction:
    return Fraction(probability.numerator, probability.denominator)


@pytest.mark.parametrize(
    ("value", "percent"),
    [
        (Fraction(1279, 1323), "96.67422525"),
        (Fraction(1, 3), "33.33333333"),
        (Fraction(1, 9261), "0.01079796998"),
        (Fraction(1, 10**9), "0.0000001"),
        (Fraction(1), "100"),
        (Fraction(0), "0"),
    ],
)
def test_given_a_fraction_when_disclosed_then_it_stays_exact_and_its_percent_has_no_exponent(
    value: Fraction, percent: str
) -> None:
    probability = exact(value)

    assert fraction(probability) == value
    assert probability.percent == percent


# Slot machine


def test_given_the_default_slot_machine_when_disclosed_then_its_wins_add_up_to_its_rtp() -> None:
    slot = load_economy().slot
    odds = disclose_slot(slot)

    assert odds.rtp == Probability(numerator=1279, denominator=1323, percent="96.67422525")
    assert len(odds.lines) * sum(
        fraction(win.probability) * win.percent for win in odds.wins
    ) / 100 == fraction(odds.rtp)
    assert fraction(odds.hit_frequency) == analyse(slot).hit_frequency
    assert (odds.reels, odds.lines, odds.percent_max) == (slot.reels, LINES, 20_600)
    assert [win.percent for win in odds.wins] == sorted((win.percent for win in odds.wins), reverse=True)


def test_given_a_symbol_that_never_comes_or_pays_nothing_when_disclosed_then_only_what_is_promised_is_listed() -> (
    None
):
    reel = ("a", "a", "b")
    slot = Slot(
        enabled=False,
        reels=(reel, reel, reel),
        paytable={"a": Pays(two=3, three=9), "b": Pays(three=0), "jackpot": Pays(three=500)},
    )
    odds = disclose_slot(slot)

    assert not odds.enabled
    assert [(win.symbol, win.count, str(fraction(win.probability))) for win in odds.wins] == [
        ("jackpot", 3, "0"),
        ("a", 3, "8/27"),
        ("a", 2, "4/27"),
    ]


# Rock, paper, scissors


def test_given_the_default_economy_when_rps_is_disclosed_then_three_outcomes_are_even_and_the_rtp_is_98_percent() -> (
    None
):
    odds = rps_odds.disclose(load_economy().rps)

    assert [fraction(each) for each in (odds.win, odds.draw, odds.lose)] == [Fraction(1, 3)] * 3
    assert odds.rtp == Probability(numerator=49, denominator=50, percent="98")
    assert odds.win_percent == 194


@pytest.mark.parametrize("win_percent", [100, 101, 194, 200])
def test_given_all_three_moves_of_the_server_when_each_is_paid_then_the_average_is_the_rtp(
    win_percent: int,
) -> None:
    bet = 100
    paid = {"win": bet * win_percent // 100, "draw": bet, "lose": 0}

    assert rps_odds.rtp(Rps(win_percent=win_percent)) == Fraction(sum(paid.values()), 3 * bet)


# Crash


@pytest.mark.parametrize("target_m100", [101, 150, 200, 1_000, 99_999, 100_000])
def test_given_any_target_when_aimed_at_then_the_rtp_is_99_percent(target_m100: int) -> None:
    assert crash_odds.rtp(target_m100) == Fraction(99, 100)
    assert crash_odds.reach(target_m100) == Fraction(99, 100) / Fraction(target_m100, 100)


@pytest.mark.parametrize("multiplier_m100", [101, 102, 150, 200, 1_000, 10_000])
def test_given_rolls_spread_evenly_when_each_gives_a_crash_point_then_the_share_that_reaches_it_is_disclosed(
    multiplier_m100: int,
) -> None:
    rolls = 99 * 300
    points = (max(100, math.floor(99 / (1 - Fraction(roll, rolls)))) for roll in range(rolls))

    share = Fraction(sum(point >= multiplier_m100 for point in points), rolls)

    # The rolls u = n / N that reach it are those with n >= N * (1 - reach): their number is right to one roll.
    assert abs(share - crash_odds.reach(multiplier_m100)) <= Fraction(1, rolls)


def test_given_the_default_economy_when_crash_is_disclosed_then_the_multipliers_end_with_the_cap() -> None:
    odds = crash_odds.disclose(load_economy().crash)

    assert odds.rtp == Probability(numerator=99, denominator=100, percent="99")
    assert fraction(odds.lost_at_once) == Fraction(2, 101)
    assert [
        (each.multiplier, each.probability.percent) for each in odds.reaches if each.multiplier[0] == "1"
    ] == [
        ("1.01", "98.01980198"),
        ("1.10", "90"),
        ("1.50", "66"),
        ("10.00", "9.9"),
        ("100.00", "0.99"),
        ("1000.00", "0.099"),
    ]
    assert all(
        Fraction(each.multiplier) * fraction(each.probability) == Fraction(99, 100) for each in odds.reaches
    )
    assert (odds.growth_ppm, odds.max_multiplier) == (60_000, 1_000)


@pytest.mark.parametrize("cap", [2, 3, 7, 10, 1_000])
def test_given_a_cap_when_crash_is_disclosed_then_each_multiplier_up_to_it_is_listed_once(cap: int) -> None:
    shown = [Fraction(each.multiplier) for each in crash_odds.disclose(Crash(max_multiplier=cap)).reaches]

    assert shown == sorted(set(shown))
    assert shown[-1] == cap


# Queries


@pytest.mark.parametrize(
    ("query", "name", "reply"),
    [
        (SLOT_ODDS, "slot.odds", SlotOddsReply),
        (RPS_ODDS, "rps.odds", RpsOddsReply),
        (CRASH_ODDS, "crash.odds", CrashOddsReply),
    ],
)
def test_given_a_query_for_odds_when_declared_then_name_and_path_are_those_of_the_game(
    query: Query[msgspec.Struct, msgspec.Struct], name: str, reply: type[msgspec.Struct]
) -> None:
    assert (query.name, query.path) == (name, f"/api/games/{name.replace('.', '/')}")
    assert query.reply is reply
    assert msgspec.convert({"economy": "a" * 64}, query.params) is not None
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"economy": "A" * 64}, query.params)


def test_given_disclosed_odds_when_encoded_then_they_are_json_that_any_client_reads_exactly() -> None:
    economy = load_economy()
    slot, rps, crash = (
        disclose_slot(economy.slot),
        rps_odds.disclose(economy.rps),
        crash_odds.disclose(economy.crash),
    )

    assert msgspec.json.decode(msgspec.json.encode(slot), type=SlotOdds) == slot
    assert msgspec.json.decode(msgspec.json.encode(rps), type=RpsOdds) == rps
    assert msgspec.json.decode(msgspec.json.encode(crash), type=CrashOdds) == crash
    assert all(win.probability.denominator < 2**53 for win in slot.wins)
