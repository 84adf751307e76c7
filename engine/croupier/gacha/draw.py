"""One draw of a banner in plain Python: what `docs/fairness.md` says happens from two rolls to an item.

The verifier of receipts recomputes draws with it, and `croupier economy simulate` makes them. It shares no code with
what it is compared with: the script that draws, and the odds that are disclosed.
"""

import math
from dataclasses import dataclass
from typing import Final, Self

from croupier_schemas.economy import RARITIES, Banner, Item, PityRule, Rarity
from croupier_schemas.fairness import DrawRecord
from croupier_schemas.gacha import Pity

_ABOVE_COMMON: Final = RARITIES[:3]


@dataclass
class DrawState:
    """What one draw leaves for the next, for one player and banner.

    `since` are the draws since each rarity was last delivered; `stock` is what is left of the limited rarities, as far
    as it is known.
    """

    since: dict[Rarity, int]
    guaranteed: bool
    stock: dict[Rarity, int]

    @classmethod
    def before(cls, pity: Pity) -> Self:
        """From a receipt's state before its first draw, which says nothing of the stock."""
        return cls({rarity: getattr(pity, rarity) for rarity in _ABOVE_COMMON}, pity.guaranteed, {})


def draw(
    table: Banner, state: DrawState, stock_said: int | None, u_rarity: float, u_item: float
) -> DrawRecord:
    """One draw from two rolls in [0, 1); moves `state` on.

    `stock_said` is the stock of the drawn rarity where `state` does not know it: what a receipt says.
    """
    weights = _weights(table, state)
    due = next((rarity for rarity in _ABOVE_COMMON if _is_due(table, state, rarity)), None)
    r = math.floor(u_rarity * 1_000_000)
    drawn = due or _rarity(weights, r)

    stock_seen = _stock_seen(table, state, drawn, stock_said)
    empty = stock_seen == 0
    rarity: Rarity = "Common" if empty else drawn
    if stock_seen:
        state.stock[drawn] = stock_seen - 1

    items = _in_drawing_order(getattr(table.items, rarity))
    guaranteed = rarity == table.rate_up and state.guaranteed
    item = _item([item for item in items if item.featured] if guaranteed else items, u_item)
    if rarity == table.rate_up:
        state.guaranteed = item is not None and not item.featured

    for each in _ABOVE_COMMON:
        state.since[each] = 0 if each == rarity else state.since[each] + 1
    in_band = weights["Legendary"] <= r < weights["Legendary"] + table.near_miss_ppm
    return DrawRecord(
        rarity=rarity,
        item_id=item.id if item else "",
        near_miss=in_band and due is None and not empty,
        hard_pity=due is not None,
        guaranteed=guaranteed,
        downgraded_from=drawn if empty else None,
        stock_seen=stock_seen,
    )


def _rule(table: Banner, rarity: Rarity) -> PityRule:
    rule: PityRule | None = getattr(table.pity, rarity)
    return rule or PityRule()


def _is_due(table: Banner, state: DrawState, rarity: Rarity) -> bool:
    """Whether hard pity n decides: n - 1 draws went by without the rarity."""
    hard = _rule(table, rarity).hard
    return hard is not None and state.since[rarity] >= hard - 1


def _weights(table: Banner, state: DrawState) -> dict[Rarity, int]:
    """Weights in ppm with soft pity: each rarity grows at the expense of those below it, Common first."""
    weights: dict[Rarity, int] = {rarity: getattr(table.weights_ppm, rarity) for rarity in RARITIES}
    for rank, rarity in enumerate(_ABOVE_COMMON):
        soft = _rule(table, rarity).soft
        draw_number = state.since[rarity] + 1
        if soft is None or draw_number < soft.from_draw:
            continue
        growth = soft.step_ppm * (draw_number - soft.from_draw + 1)
        for lower in reversed(RARITIES[rank + 1 :]):
            taken = min(growth, weights[lower])
            weights[lower] -= taken
            weights[rarity] += taken
            growth -= taken
    return weights


def _rarity(weights: dict[Rarity, int], r: int) -> Rarity:
    """The first rarity, from Legendary down, whose cumulative weight exceeds r."""
    cumulative = 0
    for rarity in _ABOVE_COMMON:
        cumulative += weights[rarity]
        if r < cumulative:
            return rarity
    return "Common"


def _stock_seen(table: Banner, state: DrawState, drawn: Rarity, said: int | None) -> int | None:
    """Stock of the drawn rarity before the draw: None if it is unlimited; else what the state knows of it or, for the
    first look at it, what the receipt says. A receipt that says nothing there, or less than nothing, is wrong."""
    if drawn == "Common" or getattr(table.stock, drawn) is None:
        return None
    return state.stock.get(drawn, max(0, said or 0))


def _in_drawing_order(items: tuple[Item, ...]) -> list[Item]:
    """Featured items first, then the others, each in the order of the table."""
    return [item for item in items if item.featured] + [item for item in items if not item.featured]


def _item(choices: list[Item], u: float) -> Item | None:
    """The first item whose cumulative weight exceeds floor(u * weight of all), or else the last; None without any."""
    threshold = math.floor(u * sum(item.weight for item in choices))
    cumulative = 0
    for item in choices:
        cumulative += item.weight
        if cumulative > threshold:
            return item
    return choices[-1] if choices else None
