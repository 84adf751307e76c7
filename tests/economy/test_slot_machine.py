"""The slot machine by windows worked out by hand, and its analysis against other ways to the same numbers."""

from fractions import Fraction
from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from croupier.economy import load_economy
from croupier.slot.machine import LINES, Win, analyse, payout, window, wins
from croupier_schemas.economy import Pays, Slot

PROPERTY = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])

SMALL = Slot(
    reels=(("a", "b", "c", "a"), ("b", "a", "a"), ("a", "c", "b", "b", "a")),
    paytable={"a": Pays(two=5, three=40), "b": Pays(three=90), "c": Pays(two=7, three=0)},
)


def slots() -> st.SearchStrategy[Slot]:
    reel = st.lists(st.sampled_from("abcd"), min_size=3, max_size=7).map(tuple)
    pays = st.builds(Pays, two=st.integers(0, 300), three=st.integers(0, 900))
    paytable = st.fixed_dictionaries(dict.fromkeys("abcde", pays))
    return st.builds(Slot, reels=st.tuples(reel, reel, reel), paytable=paytable)


def spin_percent(slot: Slot, stops: tuple[int, ...]) -> int:
    """What a spin pays in percent of the bet, read off the three rows of text that a player sees."""
    top, middle, bottom = (
        [reel[(stop + row) % len(reel)] for reel, stop in zip(slot.reels, stops, strict=True)]
        for row in range(3)
    )
    falling = [top[0], middle[1], bottom[2]]
    rising = [bottom[0], middle[1], top[2]]
    total = 0
    for line in (top, middle, bottom, falling, rising):
        pays = slot.paytable[line[0]]
        if len(set(line)) == 1:
            total += pays.three
        elif line[0] == line[1]:
            total += pays.two
    return total


def every_spin(slot: Slot) -> list[int]:
    return [spin_percent(slot, stops) for stops in product(*(range(len(reel)) for reel in slot.reels))]


def test_given_stops_when_the_window_is_asked_for_then_each_reel_shows_three_symbols_of_its_ring() -> None:
    assert window(SMALL, (0, 0, 0)) == (("a", "b", "c"), ("b", "a", "a"), ("a", "c", "b"))
    assert window(SMALL, (2, 1, 3)) == (("c", "a", "a"), ("a", "a", "b"), ("b", "a", "a"))
    assert window(SMALL, (3, 2, 4)) == (("a", "a", "b"), ("a", "b", "a"), ("a", "a", "c"))


@pytest.mark.parametrize(
    ("stops", "expected"),
    [
        # a b a / b a c / c a b: the falling line is a a b, the rising one c a a.
        ((0, 0, 0), [Win(3, "a", 2, 5)]),
        # c a b / a a a / a b a: the middle row; the falling line is c a a, the rising one a a b.
        ((2, 1, 3), [Win(1, "a", 3, 40), Win(4, "a", 2, 5)]),
        # a a a / a b a / b a c: the top row; the falling line is a b c, the rising one b b a, for which b pays nothing.
        ((3, 2, 4), [Win(0, "a", 3, 40)]),
    ],
)
def test_given_stops_when_the_lines_are_read_then_those_that_pay_are_named_in_order(
    stops: tuple[int, ...], expected: list[Win]
) -> None:
    assert wins(SMALL, stops) == expected


@pytest.mark.parametrize(
    ("pays", "third", "count", "percent"),
    [
        (Pays(two=5, three=40), "a", 3, 40),
        (Pays(two=5, three=40), "b", 2, 5),
        (Pays(two=40, three=5), "a", 3, 5),  # three replace two even where they pay less
    ],
)
def test_given_two_or_three_equal_symbols_on_all_lines_when_read_then_only_one_of_the_two_is_paid(
    pays: Pays, third: str, count: int, percent: int
) -> None:
    slot = Slot(reels=(("a",) * 3, ("a",) * 3, (third,) * 3), paytable={"a": pays, "b": Pays(three=0)})

    found = wins(slot, (0, 0, 0))

    assert found == [Win(line, "a", count, percent) for line in range(len(LINES))]
    assert payout(300, found) == 3 * 5 * percent


@pytest.mark.parametrize(("pays", "third"), [(Pays(two=5, three=0), "a"), (Pays(two=0, three=9), "b")])
def test_given_equal_symbols_that_pay_nothing_when_read_then_there_is_no_win(pays: Pays, third: str) -> None:
    slot = Slot(reels=(("a",) * 3, ("a",) * 3, (third,) * 3), paytable={"a": pays, "b": Pays(three=1)})

    assert wins(slot, (0, 0, 0)) == []
    assert analyse(slot).hit_frequency == 0


@PROPERTY
@given(slots())
def test_given_any_machine_when_analysed_then_it_agrees_with_playing_every_spin(slot: Slot) -> None:
    percents = every_spin(slot)

    analysis = analyse(slot)

    assert analysis.rtp == Fraction(sum(percents), 100 * len(percents))
    assert analysis.hit_frequency == Fraction(sum(each > 0 for each in percents), len(percents))
    assert analysis.percent_max == max(percents)


@PROPERTY
@given(slots(), st.data())
def test_given_any_spin_when_its_lines_are_read_then_they_pay_what_a_player_sees(
    slot: Slot, data: st.DataObject
) -> None:
    stops = tuple(data.draw(st.integers(0, len(reel) - 1)) for reel in slot.reels)

    found = wins(slot, stops)

    assert sum(win.percent for win in found) == spin_percent(slot, stops)
    assert payout(100, found) == spin_percent(slot, stops)
    assert [win.line for win in found] == sorted({win.line for win in found})
    assert all(win.percent > 0 for win in found)


@PROPERTY
@given(slots())
def test_given_any_machine_when_analysed_then_the_rtp_is_the_sum_over_its_lines(slot: Slot) -> None:
    expected = Fraction(0)
    for symbol, pays in slot.paytable.items():
        first, second, third = (Fraction(reel.count(symbol), len(reel)) for reel in slot.reels)
        expected += len(LINES) * first * second * (third * pays.three + (1 - third) * pays.two) / 100

    analysis = analyse(slot)

    assert analysis.rtp == expected
    assert (
        analysis.rtp == len(LINES) * sum(each.probability * each.percent for each in analysis.line_odds) / 100
    )


def test_given_one_line_of_a_small_machine_when_counted_then_its_odds_are_those_disclosed() -> None:
    spins = list(product(*(range(len(reel)) for reel in SMALL.reels)))
    for line in range(len(LINES)):
        on_line = [
            (win.symbol, win.count) for stops in spins for win in wins(SMALL, stops) if win.line == line
        ]

        for odds in analyse(SMALL).line_odds:
            assert Fraction(on_line.count((odds.symbol, odds.count)), len(spins)) == odds.probability
    assert [(each.symbol, each.count) for each in analyse(SMALL).line_odds] == [
        ("b", 3),
        ("a", 3),
        ("c", 2),
        ("a", 2),
    ]


def test_given_the_default_economy_when_its_machine_is_analysed_then_the_figures_are_the_known_ones() -> None:
    analysis = analyse(load_economy().slot)

    assert analysis.rtp == Fraction(1279, 1323)
    assert analysis.hit_frequency == Fraction(337, 441)
    assert analysis.percent_max == 20_600
    assert analysis.line_odds[0].symbol == "seven" and analysis.line_odds[0].probability == Fraction(1, 9261)


def test_given_the_largest_machine_when_analysed_then_all_of_its_spins_are_counted() -> None:
    strip = tuple("ab" * 15 + "cd")
    paytable = {"a": Pays(two=1, three=3), "b": Pays(three=2), "c": Pays(three=7), "d": Pays(three=11)}

    analysis = analyse(Slot(reels=(strip, strip[::-1], strip), paytable=paytable))

    three, two = Fraction(15, 32) ** 3, Fraction(15, 32) ** 2 * Fraction(17, 32)
    once = Fraction(1, 32) ** 3
    assert analysis.rtp == 5 * (three * 5 + two * 1 + once * 18) / 100


def test_given_a_machine_that_was_analysed_when_an_equal_one_is_then_the_work_is_not_done_again() -> None:
    first = Slot(reels=(("a", "b", "b"),) * 3, paytable={"a": Pays(three=4), "b": Pays(three=3)})
    second = Slot(reels=(("a", "b", "b"),) * 3, paytable={"b": Pays(three=3), "a": Pays(three=4)})

    assert analyse(first) is analyse(second)
    assert analyse(Slot(reels=first.reels, paytable={**first.paytable, "b": Pays(three=2)})) is not analyse(
        first
    )
