"""The operator's page and the default file say what the code does."""

import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import msgspec
import pytest
from msgspec import inspect

from croupier.economy import load_economy, parse_economy
from croupier.gacha.odds import disclose
from croupier.gacha.pity import draw_weights
from croupier_schemas.economy import RARITIES, TIERS, Economy

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
    assert len(SETTINGS) == 21
    assert "gacha.banners.<name>.pity.<rarity>.soft.step_ppm" in SETTINGS


@pytest.mark.parametrize("path", SETTINGS)
def test_given_a_setting_when_the_page_is_read_then_its_row_states_the_bounds_in_force(path: str) -> None:
    (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{path}` |")]

    match SETTINGS[path]:
        case inspect.IntType(ge=low, le=high):
            assert f"| {low:,} to {high:,}" in row
        case inspect.StrType(pattern=str(pattern)):
            assert f"| 1 to {pattern.partition(',')[2].partition('}')[0]} characters of `a-z 0-9 _ -`" in row


def test_given_the_table_of_settings_when_compared_then_it_has_no_setting_that_does_not_exist() -> None:
    documented = re.findall(r"^\| `((?:initial|gacha)[^`]*)` \|", PAGE, re.MULTILINE)

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


def test_given_the_default_file_when_read_then_it_explains_every_setting_and_states_its_bounds() -> None:
    for path, node in SETTINGS.items():
        name = path.removesuffix(".<rarity>").removesuffix(".<tier>").rpartition(".")[2]
        assert name in DEFAULT_FILE, path
        if isinstance(node, inspect.IntType):
            assert f"{node.ge:_} to {node.le:_}" in DEFAULT_FILE, path


def test_given_the_default_file_when_all_that_has_a_default_is_removed_then_the_same_defaults_apply() -> None:
    minimal = {
        name: msgspec.to_builtins({"weights_ppm": banner.weights_ppm, "items": banner.items})
        for name, banner in load_economy().gacha.banners.items()
    }

    economy = parse_economy(msgspec.json.encode({"gacha": {"banners": minimal}}), "json")

    assert economy.gacha.daily_limit == load_economy().gacha.daily_limit
    assert economy.gacha.legacy_cost == load_economy().gacha.legacy_cost
    assert economy.gacha.animations == load_economy().gacha.animations
    assert (
        economy.gacha.banners["standard"].cost_tokens == load_economy().gacha.banners["standard"].cost_tokens
    )
