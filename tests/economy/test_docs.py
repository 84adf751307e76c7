"""The operator's page and the default file say what the code does."""

import math
import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import inspect

from croupier.crash.queries import ODDS as CRASH_ODDS
from croupier.economy import load_economy, parse_economy
from croupier.economy.check import find_problems
from croupier.gacha.odds import disclose
from croupier.gacha.pity import draw_weights
from croupier.gacha.queries import ODDS as GACHA_ODDS
from croupier.query import Query
from croupier.rps.queries import ODDS as RPS_ODDS
from croupier.slot.machine import LINES, analyse
from croupier.slot.queries import ODDS as SLOT_ODDS
from croupier_schemas.economy import RARITIES, TIERS, Economy
from tests.economy.documents import ITEMS, economy_document, economy_of

PAGE = (Path(__file__).parents[2] / "docs" / "economy.md").read_text(encoding="utf-8")
DEFAULT_FILE = resources.files("croupier.economy").joinpath("default.toml").read_text(encoding="utf-8")


def settings_of(node: inspect.Type, path: str) -> Iterator[tuple[str, inspect.Type]]:
    """Every setting that is a single value, with names of rarities, tiers and banners made general."""
    match node:
        case inspect.StructType(fields=fields):
            for field in fields:
                name = field.encode_name
                shown = "<rarity>" if name in RARITIES else "<tier>" if name in TIERS else name
                yield from settings_of(field.type, f"{path}.{shown}".lstrip("."))
        case inspect.UnionType(types=types):
            (inner,) = (each for each in types if not isinstance(each, inspect.NoneType))
            yield from settings_of(inner, path)
        case inspect.DictType(value_type=value_type):
            yield from settings_of(value_type, f"{path}.<name>")
        case inspect.VarTupleType(item_type=item_type):
            yield from settings_of(item_type, f"{path}[]")
        case _:
            yield path, node


SETTINGS = dict(settings_of(inspect.type_info(Economy), ""))


def rows(heading: str) -> list[list[str]]:
    """The cells of the table under a heading row of the page, back-ticks and thousands separators removed."""
    lines = PAGE[PAGE.index(f"\n{heading}\n") + len(heading) + 2 :].splitlines()[1:]
    table = lines[: next(index for index, line in enumerate(lines) if not line.startswith("|"))]
    return [
        [cell.strip().strip("`").replace(",", "") for cell in line.strip("|").split("|")] for line in table
    ]


def test_given_the_economy_types_when_listed_then_there_are_settings_to_document() -> None:
    assert len(SETTINGS) == 46
    assert "gacha.banners.<name>.pity.<rarity>.soft.step_ppm" in SETTINGS
    assert "rate_limit.games.<tier>.per_second" in SETTINGS
    assert "slot.paytable.<name>.three" in SETTINGS


@pytest.mark.parametrize("path", SETTINGS)
def test_given_a_setting_when_the_page_is_read_then_its_row_states_the_bounds_in_force(path: str) -> None:
    (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{path}` |")]

    match SETTINGS[path]:
        case inspect.IntType(ge=low, le=high):
            assert f"| {low:,} to {high:,}" in row
        case inspect.StrType(pattern=str(pattern)):
            assert f"| 1 to {pattern.partition(',')[2].partition('}')[0]} characters of `a-z 0-9 _ -`" in row
        case inspect.LiteralType(values=values):
            assert all(f"`{value}`" in row for value in values if value not in RARITIES)


@pytest.mark.parametrize("section", ["crash", "slot", "rps"])
def test_given_a_game_when_its_rows_are_read_then_the_last_cell_is_the_default_in_force(section: str) -> None:
    settings = msgspec.to_builtins(getattr(economy_of(), section))
    single = {name: value for name, value in settings.items() if isinstance(value, int)}

    assert {"enabled", "bet_min", "bet_max", "bet_step"} <= single.keys()
    for name, value in single.items():
        (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{section}.{name}` |")]
        shown = f"`{str(value).lower()}`" if isinstance(value, bool) else f"{value:,}"
        assert row.endswith(f"| {shown} |")


@pytest.mark.parametrize("scope", ["games", "cashout"])
@pytest.mark.parametrize("window", ["per_second", "per_minute"])
def test_given_a_rate_limit_when_its_row_is_read_then_it_states_the_defaults_in_force(
    scope: str, window: str
) -> None:
    rates = getattr(economy_of().rate_limit, scope)
    values = [getattr(getattr(rates, tier), window) for tier in TIERS]

    start = f"| `rate_limit.{scope}.<tier>.{window}` |"
    (row,) = [line for line in PAGE.splitlines() if line.startswith(start)]
    assert row.split("|")[5].strip().startswith(", ".join(map(str, dict.fromkeys(values))))


def test_given_the_table_of_settings_when_compared_then_it_has_no_setting_that_does_not_exist() -> None:
    documented = re.findall(
        r"^\| `((?:initial|maintenance|rate_limit|gacha|crash|slot|rps)\b[^`= ]*)` \|", PAGE, re.MULTILINE
    )

    known = "\n".join(SETTINGS)
    assert all(path in known for path in documented)


def test_given_the_example_on_the_page_when_parsed_then_it_is_a_sound_economy() -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)

    economy = parse_economy(example.encode(), "toml")

    odds = disclose(economy, "standard").rarities[0]
    assert odds.probability.percent == "1" and odds.hard_pity == 90
    assert odds.items[0].probability.percent == "0.75"
    assert economy.gacha.banners["standard"].cost_tokens.one == 5_000


def test_given_the_soft_pity_table_on_the_page_when_recomputed_then_each_row_is_right() -> None:
    spotlight = load_economy().gacha.banners["spotlight"]
    table = rows("| draw | Legendary | Epic | Rare | Common |")

    assert len(table) == 8
    for draw, *weights in table:
        assert draw_weights(spotlight, (int(draw) - 1, 0, 0)) == tuple(map(int, weights))


def test_given_the_long_run_table_on_the_page_when_recomputed_then_each_row_is_right() -> None:
    table = rows("| banner | Legendary | Epic | Rare | Common |")

    assert [row[0] for row in table] == list(load_economy().gacha.banners)
    for name, *expected in table:
        long_runs = [each.long_run for each in disclose(load_economy(), name).rarities]
        assert [each.expected_draws for each in long_runs if each] == expected


def test_given_the_crash_table_on_the_page_when_recomputed_then_each_time_is_right() -> None:
    growth_per_second = load_economy().crash.growth_ppm / 1_000_000
    table = rows("| multiplier | reached after (s) |")

    assert len(table) == 5
    for multiplier, seconds in table:
        assert seconds == f"{math.log(float(multiplier)) / growth_per_second:.2f}"


def test_given_the_lines_and_symbols_on_the_page_when_compared_then_they_are_those_of_the_default_machine() -> (
    None
):
    slot = load_economy().slot

    assert [tuple(map(int, row)) for row in rows("| line | reel 1 | reel 2 | reel 3 |")] == [
        (number, *line) for number, line in enumerate(LINES)
    ]
    table = rows("| symbol | of 21 stops | `two` | `three` |")
    assert {symbol for symbol, *_ in table} == slot.paytable.keys()
    for symbol, *numbers in table:
        pays = slot.paytable[symbol]
        assert [list(map(int, numbers))] * 3 == [
            [reel.count(symbol), pays.two, pays.three] for reel in slot.reels
        ]


def test_given_the_figures_of_the_slot_machine_on_the_page_when_recomputed_then_they_are_right() -> None:
    slot = load_economy().slot
    analysis = analyse(slot)
    text = " ".join(PAGE.split())

    rtp, hits = analysis.rtp, analysis.hit_frequency
    assert f"this machine pays exactly {rtp} of the bets: an RTP of {float(100 * rtp):.2f} %" in text
    assert f"{hits.numerator} of {hits.denominator} spins, {float(100 * hits):.2f} %, pay something" in text
    assert f"the best one pays {analysis.percent_max // 100} times the bet" in text
    assert analysis.percent_max % 100 == 0
    assert f"all 21³ = {math.prod(len(reel) for reel in slot.reels):,} spins" in text


@pytest.mark.parametrize("query", [GACHA_ODDS, CRASH_ODDS, SLOT_ODDS, RPS_ODDS], ids=lambda query: query.name)
def test_given_a_query_for_odds_when_the_page_is_read_then_it_names_the_path(query: Query[Any, Any]) -> None:
    assert f"`GET {query.path}" in PAGE


def test_given_the_problems_shown_on_the_page_when_made_then_they_are_reported_in_these_words() -> None:
    document = economy_document(
        items=ITEMS | {"Epic": [{"id": "a"}, {"id": "b"}, {"id": "c", "weight": 0}]},
    )
    document["gacha"]["banners"] = {"standard": document["gacha"]["banners"]["main"]}
    document["gacha"]["banners"]["other"] = economy_document()["gacha"]["banners"]["main"]
    document["slot"] = {"bet_max": 1_050}

    shown = {str(problem) for problem in find_problems(document)}

    assert shown and all(f"\n{line}\n" in PAGE for line in shown)


def test_given_the_default_file_when_read_then_it_explains_every_setting_and_states_its_bounds() -> None:
    for path, node in SETTINGS.items():
        name = path.replace("[]", "").removesuffix(".<rarity>").removesuffix(".<tier>").rpartition(".")[2]
        assert name in DEFAULT_FILE, path
        if isinstance(node, inspect.IntType):
            assert f"{node.ge:_} to {node.le:_}" in DEFAULT_FILE, path


def test_given_the_default_file_when_all_that_has_a_default_is_removed_then_the_same_defaults_apply() -> None:
    minimal = {
        name: msgspec.to_builtins({"weights_ppm": banner.weights_ppm, "items": banner.items})
        for name, banner in load_economy().gacha.banners.items()
    }

    economy = parse_economy(msgspec.json.encode({"gacha": {"banners": minimal}}), "json")

    assert economy.rate_limit == load_economy().rate_limit
    assert (economy.crash, economy.rps) == (load_economy().crash, load_economy().rps)
    assert economy.slot == load_economy().slot
    assert (economy.maintenance, economy.gacha.enabled) == (False, True)
    assert economy.gacha.daily_limit == load_economy().gacha.daily_limit
    assert economy.gacha.legacy_cost == load_economy().gacha.legacy_cost
    assert economy.gacha.animations == load_economy().gacha.animations
    assert (
        economy.gacha.banners["standard"].cost_tokens == load_economy().gacha.banners["standard"].cost_tokens
    )
