"""The rules of pity in plain Python: the reference that the draw script is tested against.

Counters are (Legendary, Epic, Rare): the draws since each was last delivered. A draw's number for a rarity
is its counter plus one.
"""

from typing import Final

from croupier.economy.banner import pity_of, weight_of
from croupier_schemas.economy import PPM, RARITIES, Banner

Counters = tuple[int, int, int]
Weights = tuple[int, int, int, int]

_CERTAIN: Final[tuple[Weights, ...]] = ((PPM, 0, 0, 0), (0, PPM, 0, 0), (0, 0, PPM, 0))


def effective_weights(banner: Banner, counters: Counters) -> Weights:
    """Weights of the next draw in parts per million, soft pity included, in the order of `RARITIES`.

    Soft pity from draw k with step x: at draw d >= k a rarity's weight grows by x * (d - k + 1), taken from
    Common, then Rare, then Epic, from rarities below it only and never more than they have. Legendary is
    served first; Epic and Rare then grow on what it left. Hard pity is not included: see `draw_weights`.
    """
    weights = [weight_of(banner, rarity) for rarity in RARITIES]
    for index, counter in enumerate(counters):
        rule = pity_of(banner, RARITIES[index])
        if rule is None or rule.soft is None:
            continue
        growth = max(0, rule.soft.step_ppm * (counter + 1 - rule.soft.from_draw + 1))
        for lower in range(len(RARITIES) - 1, index, -1):
            taken = min(growth, weights[lower])
            weights[lower] -= taken
            weights[index] += taken
            growth -= taken
    legendary, epic, rare, common = weights
    return legendary, epic, rare, common


def hard_pity_due(banner: Banner, counters: Counters) -> int | None:
    """Index of the highest rarity whose hard pity decides the next draw; None if none is due."""
    for index, counter in enumerate(counters):
        rule = pity_of(banner, RARITIES[index])
        if rule is not None and rule.hard is not None and counter >= rule.hard - 1:
            return index
    return None


def draw_weights(banner: Banner, counters: Counters) -> Weights:
    """Weights of the next draw in ppm with all pity: where hard pity is due, its rarity has the whole."""
    due = hard_pity_due(banner, counters)
    return effective_weights(banner, counters) if due is None else _CERTAIN[due]


def soft_pity_end(banner: Banner, index: int) -> int | None:
    """The draw at which soft pity has taken all that the lower rarities have; None without soft pity."""
    rule = pity_of(banner, RARITIES[index])
    if rule is None or rule.soft is None:
        return None
    below = sum(weight_of(banner, rarity) for rarity in RARITIES[index + 1 :])
    steps = max(1, -(-below // rule.soft.step_ppm))
    return rule.soft.from_draw + steps - 1
