"""What differs between two economies, in the words of `docs/economy.md`."""

import json
from collections.abc import Callable
from typing import Any

from croupier.economy import canonical, from_canonical, load_economy
from croupier.economy.diff import Difference, diff

DEFAULT = load_economy()


def changed(change: Callable[[dict[str, Any]], object]) -> list[Difference]:
    """The differences from the default economy to one that was changed so."""
    document = json.loads(canonical(DEFAULT))
    change(document)
    return diff(DEFAULT, from_canonical(json.dumps(document).encode()))


def items(document: dict[str, Any], rarity: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = document["gacha"]["banners"]["standard"]["items"][rarity]
    return found


def test_given_the_same_economy_then_nothing_differs() -> None:
    assert diff(DEFAULT, load_economy()) == []


def test_given_changed_settings_then_each_is_named_by_its_path_in_the_order_of_the_settings() -> None:
    def change(document: dict[str, Any]) -> None:
        document["slot"]["paytable"]["seven"]["two"] += 1
        document["gacha"]["banners"]["standard"]["weights_ppm"] |= {"Legendary": 12_000, "Common": 698_000}
        document["maintenance"] = True

    seven = DEFAULT.slot.paytable["seven"].two
    assert changed(change) == [
        Difference("maintenance", False, True),
        Difference("gacha.banners.standard.weights_ppm.Legendary", 10_000, 12_000),
        Difference("gacha.banners.standard.weights_ppm.Common", 700_000, 698_000),
        Difference("slot.paytable.seven.two", seven, seven + 1),
    ]


def test_given_a_section_that_is_null_on_one_side_then_its_settings_are_none_there() -> None:
    def change(document: dict[str, Any]) -> None:
        document["gacha"]["banners"]["standard"] |= {"cost_gems": {"one": 5, "ten": 50}, "rate_up": "Epic"}
        document["gacha"]["banners"]["standard"]["pity"]["Legendary"]["hard"] = None

    path = "gacha.banners.standard"
    assert changed(change) == [
        Difference(f"{path}.cost_gems.one", None, 5),
        Difference(f"{path}.cost_gems.ten", None, 50),
        Difference(f"{path}.pity.Legendary.hard", 90, None),
        Difference(f"{path}.rate_up", None, "Epic"),
    ]


def test_given_items_that_come_go_and_change_then_each_is_named_by_its_id() -> None:
    def change(document: dict[str, Any]) -> None:
        legendary = items(document, "Legendary")
        legendary[0]["weight"] = 7
        legendary[1] = {"id": "new_one", "featured": True}

    path = "gacha.banners.standard.items.Legendary"
    assert changed(change) == [
        Difference(f"{path}[golden_crown].weight", 3, 7),
        Difference(f"{path}[diamond_roulette].weight", 1, None),
        Difference(f"{path}[diamond_roulette].featured", False, None),
        Difference(f"{path}[new_one].weight", None, 1),
        Difference(f"{path}[new_one].featured", None, True),
    ]


def test_given_items_in_another_order_then_the_order_of_those_on_both_sides_is_the_difference() -> None:
    def change(document: dict[str, Any]) -> None:
        common = items(document, "Common")
        common.reverse()
        common.pop()

    differences = changed(change)
    assert differences[0] == Difference(
        "gacha.banners.standard.items.Common", ["red_chip", "lucky_coin"], ["lucky_coin", "red_chip"]
    )
    assert {each.path for each in differences[1:]} == {
        "gacha.banners.standard.items.Common[blue_chip].weight",
        "gacha.banners.standard.items.Common[blue_chip].featured",
    }


def test_given_a_removed_banner_then_all_its_settings_are_gone_and_no_other_differs() -> None:
    differences = changed(lambda document: document["gacha"]["banners"].pop("festival"))

    assert Difference("gacha.banners.festival.stock.Legendary", 5, None) in differences
    assert Difference("gacha.banners.festival.items.Epic[jade_mask].weight", 1, None) in differences
    assert all(each.path.startswith("gacha.banners.festival.") and each.new is None for each in differences)


def test_given_a_changed_reel_then_the_whole_reel_differs() -> None:
    def change(document: dict[str, Any]) -> None:
        document["slot"]["reels"][2][0] = "plum"

    (difference,) = changed(change)
    assert difference.path == "slot.reels[2]"
    assert list(difference.old) == list(DEFAULT.slot.reels[2])
    assert list(difference.new) == ["plum", *DEFAULT.slot.reels[2][1:]]


def test_given_rarities_without_items_on_one_side_then_the_items_are_named() -> None:
    def change(document: dict[str, Any]) -> None:
        items(document, "Legendary").clear()

    paths = [each.path for each in changed(change)]
    assert paths == [
        f"gacha.banners.standard.items.Legendary[{item}].{setting}"
        for item in ("golden_crown", "diamond_roulette")
        for setting in ("weight", "featured")
    ]
