"""One economy has one canonical form and one version, however it is written down."""

import hashlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from croupier.economy import EconomyError, canonical, from_canonical, load_economy, parse_economy, version
from croupier_schemas.economy import RARITIES, TIERS, Economy, Slot
from tests.economy.documents import (
    ITEMS,
    WEIGHTS,
    Document,
    economy_document,
    economy_of,
    to_toml,
    with_value,
)

# Changing these two changes the version of every economy there is. It must not happen by accident.
GOLDEN_REEL = (
    b'["cherry","lemon","plum","cherry","bell","lemon","cherry","bar","plum","lemon","cherry",'
    b'"bell","plum","lemon","cherry","seven","lemon","plum","bar","cherry","bell"]'
)
GOLDEN_CANONICAL = (
    b'{"crash":{"bet_max":1000000,"bet_min":10,"bet_step":1,"enabled":true,"growth_ppm":60000,'
    b'"max_multiplier":1000},'
    b'"gacha":{"animations":{"Common":"common","Epic":"epic","Legendary":"legendary","Rare":"rare"},'
    b'"banners":{"main":{"cost_gems":null,"cost_tokens":{"one":5000,"ten":50000},"enabled":true,"items":{'
    b'"Common":[{"featured":false,"id":"chip","weight":1}],"Epic":[{"featured":false,"id":"dice","weight":1}],'
    b'"Legendary":[{"featured":true,"id":"crown","weight":3},{"featured":false,"id":"roulette","weight":1}],'
    b'"Rare":[{"featured":false,"id":"ace","weight":1}]},"near_miss_ppm":0,"pity":{"Epic":null,'
    b'"Legendary":{"hard":90,"soft":null},"Rare":null},"rate_up":null,'
    b'"stock":{"Epic":null,"Legendary":null,"Rare":null},'
    b'"weights_ppm":{"Common":700000,"Epic":60000,"Legendary":10000,"Rare":230000}}},'
    b'"daily_limit":{"PREMIUM":5,"STANDARD":3,"VIP":5},"enabled":true,"legacy_cost":{"one":50,"ten":450}},'
    b'"initial_gems":0,"initial_tokens":100000,"maintenance":false,'
    b'"rate_limit":{"cashout":{"PREMIUM":{"per_minute":300,"per_second":20},'
    b'"STANDARD":{"per_minute":300,"per_second":20},"VIP":{"per_minute":300,"per_second":20}},'
    b'"games":{"PREMIUM":{"per_minute":120,"per_second":10},"STANDARD":{"per_minute":60,"per_second":5},'
    b'"VIP":{"per_minute":240,"per_second":20}},"mode":"enforce"},'
    b'"rps":{"bet_max":100000,"bet_min":1,"bet_step":1,"enabled":true,"win_percent":194},'
    b'"slot":{"bet_max":100000,"bet_min":100,"bet_step":100,"enabled":true,"paytable":{'
    b'"bar":{"three":3000,"two":100},"bell":{"three":800,"two":50},"cherry":{"three":100,"two":10},'
    b'"lemon":{"three":200,"two":20},"plum":{"three":400,"two":30},"seven":{"three":20000,"two":200}},'
    b'"reels":[' + b",".join([GOLDEN_REEL] * 3) + b"]}}"
)
GOLDEN_VERSION = "7dc41598b96de82e829192026be37f1accc9557ca2813ca8e7ffd24a741d6223"

PAYTABLE = Slot().paytable

# A busy machine generates examples slowly, which says nothing about the code.
PROPERTY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def parse_json(document: Document) -> Economy:
    return parse_economy(json.dumps(document).encode(), "json")


@st.composite
def weights(draw: st.DrawFn) -> dict[str, int]:
    cuts = sorted(draw(st.lists(st.integers(0, 1_000_000), min_size=3, max_size=3)))
    bounds = zip([0, *cuts], [*cuts, 1_000_000], strict=True)
    return dict(zip(RARITIES, (high - low for low, high in bounds), strict=True))


@st.composite
def items(draw: st.DrawFn) -> dict[str, list[dict[str, Any]]]:
    ids = iter(draw(st.permutations([f"item-{number}" for number in range(20)])))
    result: Document = {}
    for rarity in RARITIES:
        count = draw(st.integers(2, 5))
        result[rarity] = [
            {"id": next(ids), "weight": draw(st.integers(1, 1_000)), "featured": number % 2 == 0}
            for number in range(count)
        ]
    return result


def pity_rules() -> st.SearchStrategy[dict[str, Any]]:
    soft = st.fixed_dictionaries({"from_draw": st.integers(1, 50), "step_ppm": st.integers(1_000, 1_000_000)})
    return st.fixed_dictionaries({"hard": st.integers(51, 10_000), "soft": st.none() | soft})


def rate_limits() -> st.SearchStrategy[Document]:
    rate = st.fixed_dictionaries({"per_second": st.integers(1, 60), "per_minute": st.integers(60, 600)})
    rates = st.fixed_dictionaries({}, optional=dict.fromkeys(TIERS, rate))
    return st.fixed_dictionaries({"mode": st.sampled_from(["enforce", "shadow"])}, optional={"games": rates})


def bets(step: int) -> st.SearchStrategy[Document]:
    low, high = st.integers(1, 50), st.integers(50, 10**6)
    limits = {"bet_min": low.map(lambda each: each * step), "bet_max": high.map(lambda each: each * step)}
    return st.fixed_dictionaries({"enabled": st.booleans(), **limits})


def documents() -> st.SearchStrategy[Document]:
    amounts = st.integers(0, 999_999_999_999_999)
    costs = st.fixed_dictionaries({"one": amounts, "ten": amounts})
    upper = RARITIES[:3]
    banner = st.fixed_dictionaries(
        {"weights_ppm": weights(), "items": items()},
        optional={
            "enabled": st.booleans(),
            "cost_tokens": costs,
            "cost_gems": st.none() | costs,
            "pity": st.fixed_dictionaries({}, optional={rarity: pity_rules() for rarity in upper}),
            "rate_up": st.none() | st.sampled_from(RARITIES),
            "stock": st.fixed_dictionaries({}, optional={rarity: st.integers(0, 10**12) for rarity in upper}),
        },
    )
    names = st.from_regex(r"[a-z0-9_-]{1,32}", fullmatch=True)
    gacha = st.fixed_dictionaries(
        {"banners": st.dictionaries(names, banner, min_size=1, max_size=3)}, optional={"legacy_cost": costs}
    )
    return st.fixed_dictionaries(
        {"gacha": gacha},
        optional={
            "initial_tokens": amounts,
            "maintenance": st.booleans(),
            "rate_limit": rate_limits(),
            "crash": bets(step=1),
            "slot": bets(step=100),
            "rps": bets(step=1),
        },
    )


def reversed_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: reversed_keys(each) for key, each in reversed(value.items())}
    return [reversed_keys(each) for each in value] if isinstance(value, list) else value


def test_given_a_known_economy_when_made_canonical_then_bytes_and_version_are_the_known_ones() -> None:
    economy = economy_of()

    assert canonical(economy) == GOLDEN_CANONICAL
    assert version(economy) == GOLDEN_VERSION
    assert hashlib.sha256(GOLDEN_CANONICAL).hexdigest() == GOLDEN_VERSION


@PROPERTY
@given(documents())
def test_given_any_sound_economy_when_stored_and_read_back_then_it_is_the_same(document: Document) -> None:
    economy = parse_json(document)
    stored = canonical(economy)

    assert from_canonical(stored) == economy
    assert parse_economy(stored, "json") == economy
    assert canonical(from_canonical(stored)) == stored


@PROPERTY
@given(documents())
def test_given_any_sound_economy_when_made_canonical_then_it_is_json_sorted_without_spaces(
    document: Document,
) -> None:
    economy = parse_json(document)

    plain = json.dumps(msgspec.to_builtins(economy), sort_keys=True, separators=(",", ":"))
    assert canonical(economy) == plain.encode()


@PROPERTY
@given(documents())
def test_given_an_economy_written_differently_when_parsed_then_the_version_is_the_same(
    document: Document,
) -> None:
    expected = version(parse_json(document))

    assert version(parse_json(reversed_keys(document))) == expected
    assert version(parse_economy(json.dumps(document, indent=3).encode(), "json")) == expected
    assert version(parse_economy(to_toml(document).encode(), "toml")) == expected


@pytest.mark.parametrize(
    "settings_",
    [
        {"enabled": True},
        {"cost_tokens": {"one": 5_000, "ten": 50_000}},
        {"cost_gems": None},
        {"pity": {"Legendary": {"hard": 90}}},
        {"pity": {"Legendary": {"hard": 90, "soft": None}, "Epic": None}},
        {"stock": {}},
        {"stock": {"Rare": None}},
        {"rate_up": None},
        {"near_miss_ppm": 0},
        {"items": ITEMS | {"Rare": [{"id": "ace", "weight": 1, "featured": False}]}},
    ],
)
def test_given_a_default_written_out_when_parsed_then_the_version_is_the_same(settings_: Document) -> None:
    assert version(economy_of(**settings_)) == version(economy_of())


@pytest.mark.parametrize(
    "settings_",
    [
        {"enabled": False},
        {"pity": {}},
        {"stock": {"Rare": 0}},
        {"weights_ppm": WEIGHTS | {"Epic": 59_999, "Rare": 230_001}},
        {"items": ITEMS | {"Legendary": ITEMS["Legendary"][::-1]}},
    ],
)
def test_given_an_economy_that_differs_when_parsed_then_the_version_differs(settings_: Document) -> None:
    assert version(economy_of(**settings_)) != version(economy_of())


@pytest.mark.parametrize(
    ("path", "value", "same"),
    [
        (("maintenance",), False, True),
        (("maintenance",), True, False),
        (("rate_limit",), {"games": {"VIP": {"per_second": 20, "per_minute": 240}}}, True),
        (("rate_limit", "mode"), "shadow", False),
        (("crash",), {"bet_min": 10}, True),
        (("crash", "enabled"), False, False),
        (
            ("slot", "paytable"),
            {symbol: msgspec.to_builtins(pays) for symbol, pays in PAYTABLE.items()},
            True,
        ),
        (("slot", "paytable"), {symbol: {"three": pays.three} for symbol, pays in PAYTABLE.items()}, False),
        (("rps",), {}, True),
        (("rps", "win_percent"), 195, False),
    ],
)
def test_given_a_setting_of_the_other_sections_when_parsed_then_only_a_change_changes_the_version(
    path: tuple[str, ...], value: object, same: bool
) -> None:
    changed = parse_json(with_value(economy_document(), path, value))

    assert (version(changed) == GOLDEN_VERSION) is same


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"\xff",
        b"[" * 100_000,
        GOLDEN_CANONICAL[:-1],
        GOLDEN_CANONICAL.replace(b'"initial_gems":0', b'"initial_gems":-1'),
        GOLDEN_CANONICAL.replace(b'"initial_gems":0', b'"initial_gems":0,"speed":1'),
        GOLDEN_CANONICAL.replace(b'"initial_gems":0', b'"initial_gems":NaN'),
    ],
)
def test_given_bytes_that_are_no_canonical_form_when_read_back_then_it_is_an_economy_error(
    data: bytes,
) -> None:
    with pytest.raises(EconomyError):
        from_canonical(data)


def test_given_a_stored_version_that_a_stricter_rule_now_forbids_when_read_back_then_it_is_readable() -> None:
    stored = canonical(economy_of()).replace(b'"Epic":60000', b'"Epic":60001')

    assert from_canonical(stored).gacha.banners["main"].weights_ppm.Epic == 60_001


def test_given_no_path_when_loaded_then_it_is_the_documented_default_with_its_three_kinds_of_banner() -> None:
    economy = load_economy()

    banners = economy.gacha.banners.values()
    assert len(banners) >= 3
    assert any(each.stock.Legendary is not None and each.cost_gems is not None for each in banners)
    assert any(
        each.pity.Legendary is not None
        and each.pity.Legendary.soft is not None
        and each.rate_up == "Legendary"
        for each in banners
    )
    standard = economy.gacha.banners["standard"].pity
    assert standard.Legendary is not None and standard.Legendary.hard == 90
    assert standard.Epic is not None and standard.Epic.hard == 10
    assert economy.initial_tokens == 100_000 and economy.initial_gems == 0


def test_given_limited_stock_in_the_default_economy_when_its_pity_is_read_then_none_can_become_stuck() -> (
    None
):
    for banner in load_economy().gacha.banners.values():
        for rarity in RARITIES[:3]:
            assert getattr(banner.stock, rarity) is None or getattr(banner.pity, rarity) is None
