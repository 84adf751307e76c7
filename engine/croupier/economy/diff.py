"""What differs between two economies, setting by setting."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from croupier_schemas.economy import Economy


class Difference(msgspec.Struct, frozen=True):
    """One setting. `path` is as in `docs/economy.md`, with the id of an item in the place of `[]`.

    `old` and `new` are a number, a text, a truth value or, for a reel, its symbols. They are None where the setting is
    null, or belongs to a banner, an item or a symbol that is not there. For `path` of a rarity's items they are the ids
    of the items on both sides, in an order that is not the same.
    """

    path: str
    old: Any
    new: Any


def diff(old: Economy, new: Economy) -> list[Difference]:
    """Every setting that differs, in the order of the settings; empty where the economies are the same."""
    return list(_differences("", msgspec.to_builtins(old), msgspec.to_builtins(new)))


def _differences(path: str, old: Any, new: Any) -> Iterator[Difference]:
    present = new if old is None else old
    if isinstance(present, Mapping):
        yield from _of_settings(path, old or {}, new or {})
    elif isinstance(present, list | tuple) and all(
        isinstance(each, Mapping) for each in (*present, *(new or ()))
    ):
        yield from _of_items(path, old or (), new or ())
    elif isinstance(present, list | tuple) and isinstance(present[0], list | tuple):
        for index, (reel_before, reel_after) in enumerate(zip(old, new, strict=True)):
            yield from _differences(f"{path}[{index}]", reel_before, reel_after)
    elif old != new:
        yield Difference(path, old, new)


def _of_settings(path: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    for name in {**old, **new}:
        yield from _differences(f"{path}.{name}" if path else name, old.get(name), new.get(name))


def _of_items(path: str, old: Any, new: Any) -> Iterator[Difference]:
    """Items are known by their ids. The order of those on both sides counts: it decides which roll gives which."""
    before, after = ({item["id"]: item for item in items} for items in (old, new))
    order_before, order_after = [id for id in before if id in after], [id for id in after if id in before]
    if order_before != order_after:
        yield Difference(path, order_before, order_after)
    for id in {**before, **after}:
        settings = ({**items.get(id, {}), "id": None} for items in (before, after))
        yield from _of_settings(f"{path}[{id}]", *settings)
