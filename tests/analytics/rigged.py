"""Events as they would be if draws were not as disclosed."""

from collections.abc import Sequence

from msgspec.structs import replace

from croupier_schemas.events import Event
from croupier_schemas.records import GACHA, GACHA_DRAW, GachaDraw


def _with_draws(event: Event, change: dict[int, GachaDraw]) -> Event:
    result = bytearray(event.result)
    for start, draw in change.items():
        result[start : start + GACHA_DRAW.size] = GACHA_DRAW.pack(draw)
    return replace(event, result=bytes(result))


def _draws(event: Event) -> dict[int, GachaDraw]:
    places = range(GACHA.size, len(event.result), GACHA_DRAW.size)
    return {start: GACHA_DRAW.unpack(event.result, start) for start in places}


def with_fewer_rares(events: Sequence[Event]) -> list[Event]:
    """Every fourth Rare is a Common instead, and nothing says so."""
    changed, rares = [], 0
    for event in events:
        change = {}
        if event.header.type == "gacha.pulled":
            for start, draw in _draws(event).items():
                rares += draw.rarity == 3
                if draw.rarity == 3 and rares % 4 == 0:
                    change[start] = replace(draw, rarity=4, item=0, downgraded_from=0)
        changed.append(_with_draws(event, change) if change else event)
    return changed


def with_one_common_item(events: Sequence[Event]) -> list[Event]:
    """Whoever draws a Common gets the same one; the rarities are as they should be."""
    changed = []
    for event in events:
        change = {}
        if event.header.type == "gacha.pulled":
            change = {
                start: replace(draw, item=0) for start, draw in _draws(event).items() if draw.rarity == 4
            }
        changed.append(_with_draws(event, change) if change else event)
    return changed
