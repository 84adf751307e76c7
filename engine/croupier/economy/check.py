"""Finds every problem of an economy document, each with the path of its field.

Two passes: the structure (keys, types, bounds, as `croupier_schemas.economy` declares them), then, for each
banner and each game whose structure is sound, the rules that span several of its fields. msgspec itself would
stop at the first problem; an operator who edits a file wants them all.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Final, TypeVar

import msgspec
from msgspec import inspect

from croupier.economy.banner import items_of, pity_of, weight_of
from croupier.probability import exact
from croupier.slot.machine import analyse
from croupier_schemas.economy import (
    PPM,
    RARITIES,
    TIERS,
    Banner,
    Crash,
    Economy,
    Item,
    Rarity,
    RateLimit,
    Rps,
    Slot,
)

Section = TypeVar("Section", bound=msgspec.Struct)

DOCUMENT: Final = "(document)"
"""Path of a problem that concerns the document as a whole."""

_type_info = cache(inspect.type_info)
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+\Z")
_SHOWN_CHARACTERS_MAX: Final = 80


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing wrong: `path` of the field, what was `found` there, and what is `allowed`."""

    path: str
    found: str
    allowed: str

    def __str__(self) -> str:
        return f"{self.path}: {self.found}; allowed: {self.allowed}"


def find_problems(document: object) -> list[Problem]:
    """Every problem of a parsed TOML or JSON document; none means that it converts to a sound `Economy`."""
    problems = list(_structure_problems(document, _type_info(Economy), ""))
    sections = document if isinstance(document, dict) else {}
    if rate_limit := _sound(sections.get("rate_limit", {}), RateLimit):
        problems += _rate_problems(rate_limit, "rate_limit")
    for path, raw in _raw_banners(sections.get("gacha")):
        if banner := _sound(raw, Banner):
            problems += _banner_problems(banner, path)
    if crash := _sound(sections.get("crash", {}), Crash):
        problems += _bet_problems(crash, "crash")
    if slot := _sound(sections.get("slot", {}), Slot):
        problems += _bet_problems(slot, "slot")
        problems += _slot_problems(slot, "slot")
    if rps := _sound(sections.get("rps", {}), Rps):
        problems += _bet_problems(rps, "rps")
    return problems


def _raw_banners(gacha: object) -> Iterator[tuple[str, object]]:
    banners = gacha.get("banners") if isinstance(gacha, dict) else None
    if isinstance(banners, dict):
        for name, raw in banners.items():
            yield _join("gacha.banners", name), raw


def _sound(raw: object, section: type[Section]) -> Section | None:
    """The section with its defaults; None where its structure has problems, which are reported elsewhere."""
    if any(_structure_problems(raw, _type_info(section), "")):
        return None
    return msgspec.convert(raw, section)


# Structure


def _structure_problems(value: object, node: inspect.Type, path: str) -> Iterator[Problem]:
    if not _fits(value, node):
        yield Problem(path=path or DOCUMENT, found=f"got {_show(value)}", allowed=_allowed(node))
    elif isinstance(node, inspect.UnionType) and value is not None:
        yield from _structure_problems(value, _not_null(node), path)
    elif isinstance(value, dict) and isinstance(node, inspect.StructType):
        yield from _struct_problems(value, node, path)
    elif isinstance(value, dict) and isinstance(node, inspect.DictType):
        for key, entry in value.items():
            if not _fits(key, node.key_type):
                yield Problem(path=_join(path, key), found="unknown key", allowed=_allowed(node.key_type))
            yield from _structure_problems(entry, node.value_type, _join(path, key))
    elif isinstance(value, list) and isinstance(node, inspect.VarTupleType):
        for index, entry in enumerate(value):
            yield from _structure_problems(entry, node.item_type, f"{path}[{index}]")


def _struct_problems(value: dict[str, object], node: inspect.StructType, path: str) -> Iterator[Problem]:
    fields = {field.encode_name: field for field in node.fields}
    for key in value:
        if key not in fields:
            yield Problem(path=_join(path, key), found="unknown key", allowed=", ".join(fields))
    for key, field in fields.items():
        if key in value:
            yield from _structure_problems(value[key], field.type, _join(path, key))
        elif field.required:
            yield Problem(path=_join(path, key), found="missing", allowed=_allowed(field.type))


def _fits(value: object, node: inspect.Type) -> bool:
    """Whether the value itself is of this type and within its bounds, whatever it contains."""
    match node:
        case inspect.StructType():
            return isinstance(value, dict)
        case inspect.DictType(min_length=int(low), max_length=int(high)):
            return isinstance(value, dict) and low <= len(value) <= high
        case inspect.VarTupleType(min_length=low, max_length=int(high)):
            return isinstance(value, list) and (low or 0) <= len(value) <= high
        case inspect.UnionType():
            return value is None or _fits(value, _not_null(node))
        case inspect.IntType(ge=int(low), le=int(high)):
            # `type`, because True is an instance of int.
            return type(value) is int and low <= value <= high
        case inspect.StrType(pattern=str(pattern)):
            return isinstance(value, str) and re.search(pattern, value) is not None
        case inspect.LiteralType():
            return isinstance(value, str) and value in node.values
        case inspect.BoolType():
            return isinstance(value, bool)
    raise TypeError(f"the economy has a field without bounds or of a type that is not checked: {node}")


def _allowed(node: inspect.Type) -> str:
    match node:
        case inspect.StructType():
            return f"a table with the keys {', '.join(field.encode_name for field in node.fields)}"
        case inspect.DictType(min_length=low, max_length=high):
            return f"a table of {low} to {high} entries"
        case inspect.VarTupleType(min_length=None, max_length=high):
            return f"a list of at most {high} entries"
        case inspect.VarTupleType(min_length=low, max_length=high):
            return f"a list of {low if low == high else f'{low} to {high}'} entries"
        case inspect.UnionType():
            return f"{_allowed(_not_null(node))}, or null"
        case inspect.IntType(ge=low, le=high):
            return f"an integer from {low:,} to {high:,}"
        case inspect.StrType(pattern=str(pattern)):
            return f"a name of the form {pattern.removeprefix('^').removesuffix(chr(92) + 'Z')}"
        case inspect.LiteralType():
            return ", ".join(map(str, node.values))
        case _:
            return "true or false"


def _not_null(union: inspect.UnionType) -> inspect.Type:
    (node,) = (node for node in union.types if not isinstance(node, inspect.NoneType))
    return node


def _show(value: object) -> str:
    """The value in a few printable ASCII characters, whatever a parser may have made of the file."""
    match value:
        case dict():
            return f"a table of {len(value)} entries"
        case list():
            return f"a list of {len(value)} entries"
        case int() if value.bit_length() > 64:
            # Python refuses to print thousands of digits, which a TOML file can hold as hexadecimal.
            return f"an integer of {value.bit_length()} bits"
        case str() | bool() | None:
            shown = json.dumps(value)
        case _:
            shown = str(value)
    return shown if len(shown) <= _SHOWN_CHARACTERS_MAX else f"{shown[:_SHOWN_CHARACTERS_MAX]}..."


def _join(path: str, key: str) -> str:
    shown = key if _BARE_KEY.match(key) else _show(key)
    return f"{path}.{shown}" if path else shown


# Rules that span several fields of a banner


def _banner_problems(banner: Banner, path: str) -> Iterator[Problem]:
    yield from _weight_problems(banner, path)
    yield from _pity_problems(banner, f"{path}.pity")
    yield from _item_problems(banner, f"{path}.items")
    if banner.rate_up is not None:
        yield from _rate_up_problems(banner.rate_up, items_of(banner, banner.rate_up), path)


def _weight_problems(banner: Banner, path: str) -> Iterator[Problem]:
    total = sum(weight_of(banner, rarity) for rarity in RARITIES)
    if total != PPM:
        yield Problem(
            path=f"{path}.weights_ppm", found=f"the weights sum to {total:,}", allowed=f"a sum of {PPM:,}"
        )
    near_miss_max = PPM - banner.weights_ppm.Legendary
    if banner.near_miss_ppm > near_miss_max:
        yield Problem(
            path=f"{path}.near_miss_ppm",
            found=f"got {banner.near_miss_ppm}",
            allowed=f"at most {near_miss_max:,}, what the weight of Legendary leaves of {PPM:,}",
        )


def _pity_problems(banner: Banner, path: str) -> Iterator[Problem]:
    for rarity in RARITIES:
        rule = pity_of(banner, rarity)
        if rule is None:
            continue
        if rule.hard is None and rule.soft is None:
            yield Problem(
                path=f"{path}.{rarity}",
                found="a rule that does nothing",
                allowed="hard, soft, or both; or no rule",
            )
        if rule.hard is not None and rule.soft is not None and rule.soft.from_draw >= rule.hard:
            yield Problem(
                path=f"{path}.{rarity}.soft.from_draw",
                found=f"got {rule.soft.from_draw}",
                allowed=f"less than hard, which is {rule.hard}",
            )


def _item_problems(banner: Banner, path: str) -> Iterator[Problem]:
    uses = Counter(item.id for rarity in RARITIES for item in items_of(banner, rarity))
    for rarity in RARITIES:
        items = items_of(banner, rarity)
        # Every downgrade ends at Common, so Common needs an item whatever its weight.
        can_be_drawn = (
            rarity == "Common" or weight_of(banner, rarity) > 0 or pity_of(banner, rarity) is not None
        )
        if can_be_drawn and not items:
            yield Problem(
                path=f"{path}.{rarity}",
                found="no items",
                allowed="1 to 64 items, since this rarity can be drawn",
            )
        total = sum(item.weight for item in items)
        if total > PPM:
            yield Problem(
                path=f"{path}.{rarity}",
                found=f"the item weights sum to {total:,}",
                allowed=f"a sum of at most {PPM:,}",
            )
        for index, item in enumerate(items):
            if uses[item.id] > 1:
                yield Problem(
                    path=f"{path}.{rarity}[{index}].id",
                    found=f"{item.id} occurs {uses[item.id]} times",
                    allowed="an id that no other item of the banner has",
                )


def _rate_up_problems(rarity: Rarity, items: tuple[Item, ...], path: str) -> Iterator[Problem]:
    if {item.featured for item in items} != {True, False}:
        featured = sum(item.featured for item in items)
        yield Problem(
            path=f"{path}.rate_up",
            found=f"{rarity} has {featured} featured and {len(items) - featured} other items",
            allowed="a rarity with at least one featured and one other item, or null",
        )


# Rules that span several fields of a section


def _rate_problems(rate_limit: RateLimit, path: str) -> Iterator[Problem]:
    for scope in ("games", "cashout"):
        for tier in TIERS:
            rate = getattr(getattr(rate_limit, scope), tier)
            if rate.per_second > rate.per_minute:
                yield Problem(
                    path=f"{path}.{scope}.{tier}.per_second",
                    found=f"got {rate.per_second}",
                    allowed=f"at most per_minute, which is {rate.per_minute}",
                )


def _bet_problems(game: Crash | Slot | Rps, path: str) -> Iterator[Problem]:
    if game.bet_min > game.bet_max:
        yield Problem(
            path=f"{path}.bet_min",
            found=f"got {game.bet_min}",
            allowed=f"at most bet_max, which is {game.bet_max:,}",
        )
    for name, bet in (("bet_min", game.bet_min), ("bet_max", game.bet_max)):
        if bet % game.bet_step:
            yield Problem(
                path=f"{path}.{name}",
                found=f"got {bet}",
                allowed=f"a multiple of bet_step, which is {game.bet_step:,}",
            )


def _slot_problems(slot: Slot, path: str) -> Iterator[Problem]:
    if slot.bet_step % 100:
        # A line pays bet * percent / 100, which then is whole.
        yield Problem(path=f"{path}.bet_step", found=f"got {slot.bet_step}", allowed="a multiple of 100")
    unknown = [
        (reel, stop, symbol)
        for reel, symbols in enumerate(slot.reels)
        for stop, symbol in enumerate(symbols)
        if symbol not in slot.paytable
    ]
    for reel, stop, symbol in unknown:
        yield Problem(
            path=f"{path}.reels[{reel}][{stop}]",
            found=f"{symbol} is not in the paytable",
            allowed=", ".join(slot.paytable),
        )
    # What the machine pays is known once each symbol has its payments.
    if not unknown and (rtp := analyse(slot).rtp) > 1:
        yield Problem(
            path=f"{path}.paytable",
            found=f"the machine pays {rtp} of the bet on average, which is {exact(rtp).percent} %",
            allowed="at most 100 %",
        )
