"""Small economy documents for the tests of this folder, and a writer of TOML."""

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from croupier.economy import parse_economy
from croupier_schemas.economy import Banner, Economy

Document = dict[str, Any]

WEIGHTS = {"Legendary": 10_000, "Epic": 60_000, "Rare": 230_000, "Common": 700_000}
ITEMS: Document = {
    "Legendary": [{"id": "crown", "weight": 3, "featured": True}, {"id": "roulette"}],
    "Epic": [{"id": "dice"}],
    "Rare": [{"id": "ace"}],
    "Common": [{"id": "chip"}],
}


def economy_document(**banner: Any) -> Document:
    """A sound economy with the one banner "main"; the arguments replace settings of it."""
    return {"gacha": {"banners": {"main": {"weights_ppm": WEIGHTS, "items": ITEMS} | banner}}}


def with_value(document: Document, path: tuple[str | int, ...], value: object) -> Document:
    """A copy of the document with one value put at a path of keys and indexes."""
    copy: Document = json.loads(json.dumps(document))
    place: Any = copy
    for key in path[:-1]:
        place = place.setdefault(key, {}) if isinstance(place, dict) else place[key]
    place[path[-1]] = value
    return copy


def economy_of(**banner: Any) -> Economy:
    return parse_economy(json.dumps(economy_document(**banner)).encode(), "json")


def banner_of(**settings: Any) -> Banner:
    return economy_of(**settings).gacha.banners["main"]


def unchecked_banner(**settings: Any) -> Banner:
    """A banner whose rules across fields are not checked, for extreme cases."""
    return msgspec.convert({"weights_ppm": WEIGHTS, "items": ITEMS} | settings, Banner)


def to_toml(document: Mapping[str, object]) -> str:
    """The document as TOML, one line for each top-level key, nulls left out."""
    return "".join(f"{key} = {_toml_value(value)}\n" for key, value in document.items() if value is not None)


def _toml_value(value: object) -> str:
    match value:
        case dict():
            pairs = (f"{key} = {_toml_value(each)}" for key, each in value.items() if each is not None)
            return f"{{ {', '.join(pairs)} }}"
        case list():
            return f"[{', '.join(map(_toml_value, value))}]"
        case _:
            return json.dumps(value)
