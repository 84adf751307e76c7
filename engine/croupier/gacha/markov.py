"""The stationary distribution of a finite Markov chain."""

from collections.abc import Sequence
from typing import Final

_CHANGE_MAX: Final = 1e-12
_STATE_VISITS_MAX: Final = 1_000_000
# A little of the old start is mixed into each new one, so that a chain with a period settles too.
_KEPT: Final = 0.1


def stationary(successors: Sequence[Sequence[tuple[int, int]]]) -> list[float] | None:
    """Share of time that a chain started in state 0 spends in each state in the long run.

    `successors[state]` lists (next state, weight): the probability of a move is its weight over the sum of
    the state's weights, which is positive. Returns None if no answer was found within a bounded effort.

    The method is a block Gauss-Seidel iteration, by its probabilistic meaning. A sweep visits the states
    once, in order, and hands the probability mass of each to its successors. Mass that moves to a later
    state moves on in the same sweep; mass that moves back to an earlier one starts the next sweep there.
    Sweeps are repeated until their starting distribution no longer changes. The expected visits during one
    sweep are then proportional to the answer. The fewer moves lead back, the fewer sweeps it takes, so
    states should be numbered along the usual course of the chain.
    """
    start = [0.0] * len(successors)
    start[0] = 1.0
    for _ in range(1 + _STATE_VISITS_MAX // len(successors)):
        visits, arrivals = _sweep(successors, start)
        change = sum(abs(after - before) for after, before in zip(arrivals, start, strict=True))
        if change <= _CHANGE_MAX:
            total = sum(visits)
            return [count / total for count in visits]
        start = [_KEPT * before + (1 - _KEPT) * after for after, before in zip(arrivals, start, strict=True)]
    return None


def _sweep(
    successors: Sequence[Sequence[tuple[int, int]]], start: list[float]
) -> tuple[list[float], list[float]]:
    """Expected visits to each state in one sweep, and where the mass arrives that starts the next sweep."""
    mass = list(start)
    arrivals = [0.0] * len(successors)
    for state, moves in enumerate(successors):
        if mass[state] == 0.0:
            continue
        leaving = sum(weight for target, weight in moves if target != state)
        if leaving == 0:
            # No way out: all mass ends here sooner or later.
            certain = [0.0] * len(successors)
            certain[state] = 1.0
            return certain, start
        flow = mass[state] / leaving
        mass[state] = flow * sum(weight for _, weight in moves)
        for target, weight in moves:
            if target > state:
                mass[target] += flow * weight
            elif target < state:
                arrivals[target] += flow * weight
    return mass, arrivals
