"""What a banner gives in the long run, pity included."""

import itertools
from typing import Final

from croupier.economy.banner import pity_of
from croupier.gacha.markov import stationary
from croupier.gacha.pity import Counters, Weights, draw_weights, soft_pity_end
from croupier_schemas.economy import PPM, RARITIES, Banner

_STATES_MAX: Final = 20_000


def long_run_rates(banner: Banner) -> tuple[float, float, float, float] | None:
    """Share of all draws that deliver each rarity in the long run, supposing unlimited stock, or None.

    A rarity cannot be looked at alone: a draw that the hard pity of Epic decides cannot be Legendary. So
    the state of the Markov chain is all three pity counters. Each is cut off where nothing changes any
    more: where hard pity is due, where soft pity has taken all there is, or at 0 for a rarity without pity.
    With pi the stationary distribution, the rate of a rarity is the sum over the states s of pi(s) * P(the
    draw in s is that rarity). The inverse of its rate is the mean number of draws from one delivery to the
    next (Kac's formula).

    More than 20,000 states, or a chain that does not settle, give None.
    """
    sizes = (_counter_values(banner, 0), _counter_values(banner, 1), _counter_values(banner, 2))
    if sizes[0] * sizes[1] * sizes[2] > _STATES_MAX:
        return None
    states: list[Counters] = list(itertools.product(range(sizes[0]), range(sizes[1]), range(sizes[2])))
    weights = [draw_weights(banner, counters) for counters in states]
    shares = stationary([_moves(*each, sizes) for each in zip(states, weights, strict=True)])
    if shares is None:
        return None
    legendary, epic, rare, common = (
        sum(share * each[index] / PPM for share, each in zip(shares, weights, strict=True))
        for index in range(4)
    )
    return legendary, epic, rare, common


def _counter_values(banner: Banner, index: int) -> int:
    """How many values of a rarity's counter differ in effect: 0 up to the result minus one."""
    rule = pity_of(banner, RARITIES[index])
    if rule is not None and rule.hard is not None:
        return rule.hard
    return soft_pity_end(banner, index) or 1


def _moves(counters: Counters, weights: Weights, sizes: Counters) -> list[tuple[int, int]]:
    """The states that may follow, with their weights; numbered in the order of `itertools.product`."""
    moves = []
    for delivered, weight in enumerate(weights):
        if weight > 0:
            state = 0
            for index, (counter, size) in enumerate(zip(counters, sizes, strict=True)):
                state = state * size + (0 if index == delivered else min(counter + 1, size - 1))
            moves.append((state, weight))
    return moves
