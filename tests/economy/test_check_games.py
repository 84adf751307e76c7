"""Problems of the rate limits and of crash, slot machine and rock, paper, scissors are found like all others."""

import json
from typing import Any

import pytest

from croupier.economy import EconomyError, parse_economy
from croupier.economy.check import find_problems
from tests.economy.documents import economy_document, with_value

REEL = ["seven", "bar", "bar", "cherry"]
PAYTABLE = {"seven": {"three": 400}, "bar": {"two": 10, "three": 50}, "cherry": {"three": 50}}
SLOT = {"reels": [REEL, REEL, REEL], "paytable": PAYTABLE}

# (where a value is put into a sound document, the value, path of the problem, part of its text)
BAD_VALUES: list[tuple[tuple[str | int, ...], object, str, str]] = [
    (("maintenance",), 1, "maintenance", "got 1; allowed: true or false"),
    (("gacha", "enabled"), "no", "gacha.enabled", "true or false"),
    (("rate_limit", "mode"), "off", "rate_limit.mode", 'got "off"; allowed: enforce, shadow'),
    (("rate_limit", "games", "VIP"), {"per_second": 5}, "rate_limit.games.VIP.per_minute", "missing"),
    (
        ("rate_limit", "games", "VIP"),
        {"per_second": 0, "per_minute": 9},
        "rate_limit.games.VIP.per_second",
        "from 1 to 600",
    ),
    (
        ("rate_limit", "cashout", "VIP"),
        {"per_second": 1, "per_minute": 601},
        "rate_limit.cashout.VIP.per_minute",
        "from 1 to 600",
    ),
    (("crash", "bet_min"), 0, "crash.bet_min", "from 1 to 10,000,000,000"),
    (("crash", "bet_max"), 10**10 + 1, "crash.bet_max", "from 1 to 10,000,000,000"),
    (("crash", "growth_ppm"), 999, "crash.growth_ppm", "from 1,000 to 1,000,000"),
    (("crash", "max_multiplier"), 1, "crash.max_multiplier", "from 2 to 1,000"),
    (("crash", "edge"), 1, "crash.edge", "unknown key; allowed: enabled, bet_min"),
    (("slot", "reels"), [REEL, REEL], "slot.reels", "got a list of 2 entries; allowed: a list of 3 entries"),
    (("slot", "reels"), [REEL] * 4, "slot.reels", "allowed: a list of 3 entries"),
    (("slot", "reels"), [REEL, ["bar"] * 2, REEL], "slot.reels[1]", "allowed: a list of 3 to 32 entries"),
    (("slot", "reels"), [REEL, ["bar"] * 33, REEL], "slot.reels[1]", "got a list of 33 entries"),
    (("slot", "reels"), [REEL, REEL, ["bar", "Bar", "bar"]], "slot.reels[2][1]", "[a-z0-9_-]{1,32}"),
    (("slot", "paytable"), {}, "slot.paytable", "a table of 1 to 16 entries"),
    (("slot", "paytable", "seven"), {"two": 5}, "slot.paytable.seven.three", "missing"),
    (("slot", "paytable", "seven"), {"three": 100_001}, "slot.paytable.seven.three", "from 0 to 100,000"),
    (("slot", "paytable", "lucky seven"), {"three": 1}, 'slot.paytable."lucky seven"', "unknown key"),
    (("rps", "win_percent"), 99, "rps.win_percent", "from 100 to 200"),
    (("rps", "win_percent"), 201, "rps.win_percent", "from 100 to 200"),
]

# (a section, its settings, path of the problem, part of its text)
BROKEN_RULES: list[tuple[str, dict[str, Any], str, str]] = [
    (
        "rate_limit",
        {"games": {"PREMIUM": {"per_second": 31, "per_minute": 30}}},
        "rate_limit.games.PREMIUM.per_second",
        "got 31; allowed: at most per_minute, which is 30",
    ),
    (
        "rate_limit",
        {"cashout": {"STANDARD": {"per_second": 2, "per_minute": 1}}},
        "rate_limit.cashout.STANDARD.per_second",
        "got 2; allowed: at most per_minute, which is 1",
    ),
    # The other bound is the default one.
    ("crash", {"bet_min": 1_000_001}, "crash.bet_min", "at most bet_max, which is 1,000,000"),
    ("rps", {"bet_min": 7, "bet_max": 6}, "rps.bet_min", "got 7; allowed: at most bet_max, which is 6"),
    ("crash", {"bet_step": 20}, "crash.bet_min", "got 10; allowed: a multiple of bet_step, which is 20"),
    ("rps", {"bet_step": 3, "bet_min": 3}, "rps.bet_max", "got 100000; allowed: a multiple of bet_step"),
    ("slot", {"bet_max": 1_050}, "slot.bet_max", "got 1050; allowed: a multiple of bet_step, which is 100"),
    ("slot", {"bet_step": 50}, "slot.bet_step", "got 50; allowed: a multiple of 100"),
    (
        "slot",
        SLOT | {"reels": [REEL, ["bar", "wild", "bar"], REEL]},
        "slot.reels[1][1]",
        "wild is not in the paytable; allowed: seven, bar, cherry",
    ),
    # One symbol on all reels: every spin pays five times 21 %.
    (
        "slot",
        {"reels": [["bar"] * 3] * 3, "paytable": {"bar": {"three": 21}}},
        "slot.paytable",
        "the machine pays 21/20 of the bet on average, which is 105 %; allowed: at most 100 %",
    ),
    # One line in 27 pays: 5/27 of 541 %.
    (
        "slot",
        {
            "reels": [["seven", "bar", "bell"], ["seven", "plum", "lemon"], ["seven", "cherry", "cherry"]],
            "paytable": {
                **{symbol: {"three": 0} for symbol in ("bar", "bell", "plum", "lemon", "cherry")},
                "seven": {"three": 541},
            },
        },
        "slot.paytable",
        "541/540 of the bet on average, which is 100.1851852 %",
    ),
]


def with_section(section: str, settings: dict[str, Any]) -> dict[str, Any]:
    return economy_document() | {section: settings}


@pytest.mark.parametrize(("place", "value", "path", "text"), BAD_VALUES)
def test_given_one_bad_value_when_checked_then_it_is_the_only_problem(
    place: tuple[str | int, ...], value: object, path: str, text: str
) -> None:
    (problem,) = find_problems(with_value(economy_document(), place, value))

    assert problem.path == path
    assert text in str(problem)


@pytest.mark.parametrize(("section", "settings", "path", "text"), BROKEN_RULES)
def test_given_a_broken_rule_across_fields_when_checked_then_it_is_the_only_problem(
    section: str, settings: dict[str, Any], path: str, text: str
) -> None:
    (problem,) = find_problems(with_section(section, settings))

    assert problem.path == path
    assert text in str(problem)


@pytest.mark.parametrize(
    ("section", "settings"),
    [
        ("rate_limit", {"mode": "shadow"}),
        ("rate_limit", {"games": {"VIP": {"per_second": 600, "per_minute": 600}}}),
        ("rate_limit", {"cashout": {"VIP": {"per_second": 1, "per_minute": 1}}}),
        ("crash", {"bet_min": 10**10, "bet_max": 10**10, "bet_step": 10**10}),
        ("crash", {"bet_min": 1, "growth_ppm": 1_000, "max_multiplier": 2}),
        ("crash", {"enabled": False, "growth_ppm": 1_000_000, "max_multiplier": 1_000}),
        ("slot", SLOT),
        ("slot", {"bet_min": 300, "bet_step": 300, "bet_max": 900}),
        # A symbol that is on no reel can pay nothing, whatever it promises.
        (
            "slot",
            {"reels": [["bar"] * 3] * 3, "paytable": {"bar": {"three": 20}, "seven": {"three": 100_000}}},
        ),
        ("slot", {"reels": [["bar"] * 32] * 3, "paytable": {"bar": {"three": 0, "two": 100_000}}}),
        ("rps", {"bet_min": 5, "bet_max": 5, "bet_step": 5, "win_percent": 200}),
        ("rps", {"win_percent": 100}),
    ],
)
def test_given_the_extreme_values_that_are_allowed_when_checked_then_there_is_no_problem(
    section: str, settings: dict[str, Any]
) -> None:
    assert find_problems(with_section(section, settings)) == []


def test_given_problems_in_every_section_when_parsed_then_all_are_in_the_error() -> None:
    document = economy_document(near_miss_ppm=1_000_000) | {
        "maintenance": 0,
        "rate_limit": {"games": {tier: {"per_second": 9, "per_minute": 8} for tier in ("STANDARD", "VIP")}},
        "crash": {"bet_min": 70, "bet_max": 50, "bet_step": 30},
        "slot": SLOT | {"bet_step": 7, "bet_min": 7, "bet_max": 7, "reels": [["a"] * 3, REEL, REEL]},
        "rps": {"bet_min": 3, "bet_max": 2, "win_percent": 1},
    }

    with pytest.raises(EconomyError) as caught:
        parse_economy(json.dumps(document).encode(), "json")

    assert sorted(problem.path for problem in caught.value.problems) == [
        "crash.bet_max",
        "crash.bet_min",
        "crash.bet_min",
        "gacha.banners.main.near_miss_ppm",
        "maintenance",
        "rate_limit.games.STANDARD.per_second",
        "rate_limit.games.VIP.per_second",
        # Where a value is out of bounds, the rules across fields wait for it to be put right.
        "rps.win_percent",
        "slot.bet_step",
        "slot.reels[0][0]",
        "slot.reels[0][1]",
        "slot.reels[0][2]",
    ]


def test_given_a_section_that_is_no_table_when_checked_then_it_is_one_problem() -> None:
    for section in ("rate_limit", "crash", "slot", "rps"):
        (problem,) = find_problems(economy_document() | {section: [1]})

        assert (problem.path, problem.found) == (section, "got a list of 1 entries")
