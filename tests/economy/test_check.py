"""Every kind of problem of an economy file is found, named by its path, and none hides another."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from croupier.economy import DOCUMENT_BYTES_MAX, EconomyError, load_economy, parse_economy
from croupier.economy.check import find_problems
from tests.economy.documents import ITEMS, WEIGHTS, economy_document, to_toml, with_value

MAIN = ("gacha", "banners", "main")

# (where a value is put into a sound document, the value, path of the problem, part of its text)
BAD_VALUES: list[tuple[tuple[str | int, ...], object, str, str]] = [
    # Numbers
    (("initial_tokens",), -1, "initial_tokens", "got -1; allowed: an integer from 0 to 999,999,999,999,999"),
    (("initial_tokens",), 10**15, "initial_tokens", "got 1000000000000000"),
    (("initial_tokens",), 2**70, "initial_tokens", "got an integer of 71 bits"),
    (("initial_gems",), 1.0, "initial_gems", "got 1.0"),
    (("initial_gems",), math.nan, "initial_gems", "got nan"),
    (("initial_gems",), math.inf, "initial_gems", "got inf"),
    (("initial_gems",), True, "initial_gems", "got true"),
    (("initial_gems",), "7", "initial_gems", 'got "7"'),
    (("initial_gems",), None, "initial_gems", "got null"),
    (("gacha", "daily_limit", "VIP"), -3, "gacha.daily_limit.VIP", "0 to 10,000"),
    (("gacha", "daily_limit", "VIP"), 10_001, "gacha.daily_limit.VIP", "0 to 10,000"),
    (("gacha", "legacy_cost"), {"one": 50}, "gacha.legacy_cost.ten", "missing"),
    ((*MAIN, "cost_tokens"), {"one": -5, "ten": 1}, "gacha.banners.main.cost_tokens.one", "got -5"),
    ((*MAIN, "cost_gems"), {"one": 5}, "gacha.banners.main.cost_gems.ten", "missing"),
    ((*MAIN, "weights_ppm", "Epic"), -1, "gacha.banners.main.weights_ppm.Epic", "got -1"),
    ((*MAIN, "weights_ppm", "Epic"), 1_000_001, "gacha.banners.main.weights_ppm.Epic", "0 to 1,000,000"),
    ((*MAIN, "near_miss_ppm"), -1, "gacha.banners.main.near_miss_ppm", "0 to 1,000,000"),
    ((*MAIN, "stock"), {"Legendary": -1}, "gacha.banners.main.stock.Legendary", "0 to 1,000,000,000,000"),
    ((*MAIN, "stock"), {"Rare": 10**12 + 1}, "gacha.banners.main.stock.Rare", "or null"),
    ((*MAIN, "pity"), {"Epic": {"hard": 1}}, "gacha.banners.main.pity.Epic.hard", "2 to 10,000"),
    ((*MAIN, "pity"), {"Epic": {"hard": 10_001}}, "gacha.banners.main.pity.Epic.hard", "2 to 10,000"),
    (
        (*MAIN, "pity"),
        {"Rare": {"soft": {"from_draw": 0, "step_ppm": 1_000}}},
        "gacha.banners.main.pity.Rare.soft.from_draw",
        "1 to 10,000",
    ),
    (
        (*MAIN, "pity"),
        {"Rare": {"soft": {"from_draw": 5, "step_ppm": 999}}},
        "gacha.banners.main.pity.Rare.soft.step_ppm",
        "1,000 to 1,000,000",
    ),
    ((*MAIN, "pity"), {"Rare": {"soft": {}}}, "gacha.banners.main.pity.Rare.soft.from_draw", "missing"),
    ((*MAIN, "items", "Epic", 0, "weight"), 0, "gacha.banners.main.items.Epic[0].weight", "1 to 1,000,000"),
    # Other types
    ((*MAIN, "enabled"), 1, "gacha.banners.main.enabled", "got 1; allowed: true or false"),
    ((*MAIN, "enabled"), "yes", "gacha.banners.main.enabled", "true or false"),
    (
        (*MAIN, "rate_up"),
        "Mythic",
        "gacha.banners.main.rate_up",
        "allowed: Common, Epic, Legendary, Rare, or null",
    ),
    ((*MAIN, "rate_up"), ["Epic"], "gacha.banners.main.rate_up", "a list of 1 entries"),
    ((*MAIN, "pity"), None, "gacha.banners.main.pity", "a table with the keys Legendary, Epic, Rare"),
    ((*MAIN, "pity"), [], "gacha.banners.main.pity", "a list of 0 entries"),
    ((*MAIN, "items", "Epic"), {"id": "dice"}, "gacha.banners.main.items.Epic", "a list of at most 64"),
    ((*MAIN, "items", "Epic", 0), "dice", "gacha.banners.main.items.Epic[0]", "keys id, weight, featured"),
    ((*MAIN, "items", "Epic", 0, "featured"), 0, "gacha.banners.main.items.Epic[0].featured", "got 0"),
    (("gacha",), 5, "gacha", "a table with the keys enabled, daily_limit, legacy_cost, animations, banners"),
    # Names
    ((*MAIN, "items", "Epic", 0, "id"), "", "gacha.banners.main.items.Epic[0].id", "[a-z0-9_-]{1,64}"),
    ((*MAIN, "items", "Epic", 0, "id"), "Dice", "gacha.banners.main.items.Epic[0].id", 'got "Dice"'),
    ((*MAIN, "items", "Epic", 0, "id"), "dice\n", "gacha.banners.main.items.Epic[0].id", r'got "dice\n"'),
    ((*MAIN, "items", "Epic", 0, "id"), "d" * 99, "gacha.banners.main.items.Epic[0].id", "..."),
    ((*MAIN, "items", "Epic", 0, "id"), "dé", "gacha.banners.main.items.Epic[0].id", r'"d\u00e9"'),
    (("gacha", "animations", "Epic"), "a b", "gacha.animations.Epic", "[a-z0-9_-]{1,64}"),
    (
        ("gacha", "banners", "x" * 33),
        economy_document()["gacha"]["banners"]["main"],
        f"gacha.banners.{'x' * 33}",
        "[a-z0-9_-]{1,32}",
    ),
    (
        ("gacha", "banners", "big sale"),
        economy_document()["gacha"]["banners"]["main"],
        'gacha.banners."big sale"',
        "unknown key",
    ),
    # Keys
    (("speed",), 1, "speed", "unknown key; allowed: initial_tokens, initial_gems, maintenance"),
    (("gacha", "daily_limit", "GOLD"), 9, "gacha.daily_limit.GOLD", "allowed: STANDARD, PREMIUM, VIP"),
    (("gacha", "animations", "Mythic"), "m", "gacha.animations.Mythic", "unknown key"),
    ((*MAIN, "wieghts"), 1, "gacha.banners.main.wieghts", "unknown key; allowed: enabled, cost_tokens"),
    ((*MAIN, "weights_ppm", "Mythic"), 0, "gacha.banners.main.weights_ppm.Mythic", "unknown key"),
    ((*MAIN, "stock"), {"Common": 5}, "gacha.banners.main.stock.Common", "allowed: Legendary, Epic, Rare"),
    ((*MAIN, "pity"), {"Common": {"hard": 5}}, "gacha.banners.main.pity.Common", "unknown key"),
    ((*MAIN, "items", "Rare", 0, "wieght"), 2, "gacha.banners.main.items.Rare[0].wieght", "unknown key"),
    ((*MAIN, "a.b"), 1, 'gacha.banners.main."a.b"', "unknown key"),
    # Sizes
    (("gacha", "banners"), {}, "gacha.banners", "got a table of 0 entries; allowed: a table of 1 to 64"),
    (
        ("gacha", "banners"),
        {f"banner{number}": economy_document()["gacha"]["banners"]["main"] for number in range(65)},
        "gacha.banners",
        "got a table of 65 entries",
    ),
    ((*MAIN, "items", "Epic"), [{"id": f"i{n}"} for n in range(65)], "gacha.banners.main.items.Epic", "65"),
]

# (settings of the banner, path of the problem below it, part of its text)
BROKEN_RULES: list[tuple[dict[str, Any], str, str]] = [
    ({"weights_ppm": WEIGHTS | {"Epic": 60_001}}, "weights_ppm", "1,000,001; allowed: a sum of 1,000,000"),
    ({"weights_ppm": WEIGHTS | {"Epic": 59_999}}, "weights_ppm", "sum to 999,999"),
    ({"near_miss_ppm": 990_001}, "near_miss_ppm", "got 990001; allowed: at most 990,000"),
    ({"pity": {"Epic": {}}}, "pity.Epic", "does nothing"),
    (
        {"pity": {"Epic": {"hard": 10, "soft": {"from_draw": 10, "step_ppm": 1_000}}}},
        "pity.Epic.soft.from_draw",
        "got 10; allowed: less than hard, which is 10",
    ),
    ({"items": ITEMS | {"Rare": []}}, "items.Rare", "no items"),
    (
        {"items": {"Legendary": ITEMS["Legendary"], "Rare": [{"id": "ace"}], "Common": [{"id": "chip"}]}},
        "items.Epic",
        "no items",
    ),
    (
        {
            "weights_ppm": {"Legendary": 1_000_000, "Epic": 0, "Rare": 0, "Common": 0},
            "items": ITEMS | {"Common": []},
        },
        "items.Common",
        "no items",
    ),
    (
        {
            "weights_ppm": WEIGHTS | {"Rare": 0, "Common": 930_000},
            "items": ITEMS | {"Rare": []},
            "pity": {"Rare": {"hard": 5}},
        },
        "items.Rare",
        "no items",
    ),
    ({"items": ITEMS | {"Rare": [{"id": "ace"}, {"id": "ace"}]}}, "items.Rare[1].id", "ace occurs 2 times"),
    ({"items": ITEMS | {"Rare": [{"id": "dice"}]}}, "items.Epic[0].id", "dice occurs 2 times"),
    (
        {"items": ITEMS | {"Rare": [{"id": "ace", "weight": 999_999}, {"id": "king", "weight": 2}]}},
        "items.Rare",
        "the item weights sum to 1,000,001",
    ),
    ({"rate_up": "Epic"}, "rate_up", "Epic has 0 featured and 1 other items"),
    (
        {"rate_up": "Epic", "items": ITEMS | {"Epic": [{"id": "dice", "featured": True}]}},
        "rate_up",
        "Epic has 1 featured and 0 other items",
    ),
]


@pytest.mark.parametrize(("place", "value", "path", "text"), BAD_VALUES)
def test_given_one_bad_value_when_checked_then_its_path_is_the_only_one_reported(
    place: tuple[str | int, ...], value: object, path: str, text: str
) -> None:
    document = with_value(economy_document(), place, value)

    (problem,) = [each for each in find_problems(document) if each.path == path]

    assert text in str(problem)
    assert str(problem).startswith(f"{path}: ")
    assert str(problem).isascii() and "\n" not in str(problem)
    # Half a table lacks its other half too; nothing outside it is blamed.
    assert all(each.path.rpartition(".")[0] == path.rpartition(".")[0] for each in find_problems(document))


@pytest.mark.parametrize(("settings", "path", "text"), BROKEN_RULES)
def test_given_a_broken_rule_across_fields_when_checked_then_its_path_is_reported(
    settings: dict[str, Any], path: str, text: str
) -> None:
    problems = find_problems(economy_document(**settings))

    (problem,) = [each for each in problems if each.path == f"gacha.banners.main.{path}"]
    assert text in str(problem)


def test_given_the_extreme_values_that_are_allowed_when_checked_then_there_is_no_problem() -> None:
    document = economy_document(
        cost_tokens={"one": 0, "ten": 999_999_999_999_999},
        cost_gems={"one": 0, "ten": 999_999_999_999_999},
        weights_ppm={"Legendary": 0, "Epic": 0, "Rare": 0, "Common": 1_000_000},
        items={
            "Epic": [{"id": "e"}],
            "Rare": [{"id": "r"}],
            "Common": [{"id": "c", "weight": 999_937}] + [{"id": f"{n:064}"} for n in range(63)],
        },
        pity={
            "Epic": {"hard": 2, "soft": {"from_draw": 1, "step_ppm": 1_000_000}},
            "Rare": {"hard": 10_000, "soft": {"from_draw": 9_999, "step_ppm": 1_000}},
        },
        stock={"Legendary": None, "Epic": 0, "Rare": 10**12},
        near_miss_ppm=1_000_000,
        rate_up=None,
    )
    banners = document["gacha"]["banners"]
    banners |= {f"{number:032}": banners["main"] for number in range(63)}

    assert find_problems(document) == []


def test_given_problems_everywhere_when_parsed_then_all_are_in_the_error_one_a_line() -> None:
    document = economy_document(weights_ppm=WEIGHTS | {"Epic": 0}, near_miss_ppm=1_000_000)
    document["gacha"]["banners"]["other"] = {"items": ITEMS, "enabled": 3}
    document["initial_gems"] = -1

    with pytest.raises(EconomyError) as caught:
        parse_economy(json.dumps(document).encode(), "json")

    paths = [problem.path for problem in caught.value.problems]
    assert sorted(paths) == [
        "gacha.banners.main.near_miss_ppm",
        "gacha.banners.main.weights_ppm",
        "gacha.banners.other.enabled",
        "gacha.banners.other.weights_ppm",
        "initial_gems",
    ]
    assert [line.split(": ")[0] for line in str(caught.value).splitlines()] == paths


@pytest.mark.parametrize(
    ("data", "format_", "text"),
    [
        (b'{"initial_gems": 1, "initial_gems": 2}', "json", "duplicate keys: 'initial_gems'"),
        (b'{"initial_gems": NaN}', "json", "NaN is not JSON"),
        (b'{"initial_gems": -Infinity}', "json", "-Infinity is not JSON"),
        (b'{"initial_gems": 1e400}', "json", "initial_gems: got inf"),
        (b'{"initial_gems": ' + b"9" * 5000 + b"}", "json", "well-formed JSON"),
        (b"[" * 100_000, "json", "well-formed JSON"),
        (b'{"gacha": ', "json", "well-formed JSON"),
        (b'{"\xff": 1}', "json", "well-formed JSON"),
        (b'{"\\ud800": 1}', "json", r'"\ud800": unknown key'),
        (b"[]", "json", "(document): got a list of 0 entries"),
        (b"null", "json", "(document): got null"),
        (b"", "json", "well-formed JSON"),
        (b"", "toml", "gacha: missing"),
        (b"initial_gems = 1\ninitial_gems = 2", "toml", "Cannot overwrite a value"),
        (b"initial_gems = nan", "toml", "initial_gems: got nan"),
        (b"initial_gems = 0x" + b"f" * 5000, "toml", "initial_gems: got an integer of 20000 bits"),
        (b"initial_gems = 2024-01-01", "toml", "initial_gems: got 2024-01-01"),
        (b"initial_gems = " + b"[" * 100_000, "toml", "well-formed TOML"),
        (b"gacha = 5 5", "toml", "at line 1"),
        (b"#" * (DOCUMENT_BYTES_MAX + 1), "toml", "at most 4,194,304 bytes"),
    ],
    ids=lambda value: repr(value[:30]) if isinstance(value, bytes) else None,
)
def test_given_a_document_that_is_not_well_formed_when_parsed_then_it_is_an_economy_error(
    data: bytes, format_: Any, text: str
) -> None:
    with pytest.raises(EconomyError) as caught:
        parse_economy(data, format_)

    assert text in str(caught.value)
    assert str(caught.value).isascii()


def test_given_the_same_economy_in_files_of_both_formats_when_loaded_then_they_are_equal(
    tmp_path: Path,
) -> None:
    (tmp_path / "economy.toml").write_text(to_toml(economy_document()))
    (tmp_path / "economy.json").write_text(json.dumps(economy_document()))

    assert load_economy(tmp_path / "economy.toml") == load_economy(tmp_path / "economy.json")


@pytest.mark.parametrize("name", ["missing.toml", "economy.yaml", "economy", "folder.toml"])
def test_given_a_file_that_cannot_be_used_when_loaded_then_it_is_one_economy_error(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / "economy.yaml").write_text("")
    (tmp_path / "folder.toml").mkdir()

    with pytest.raises(EconomyError) as caught:
        load_economy(tmp_path / name)

    assert len(caught.value.problems) == 1
    assert name in str(caught.value)
