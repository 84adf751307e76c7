"""Draws as they came out, against the odds that are disclosed.

A draw's disclosed probabilities depend on the pity counters that it found, and those on the draws before; so the counts
are no multinomial sample of one table. But given what came before, each draw has its own disclosed probabilities p: the
count of a rarity less the sum of its p is a martingale, whose covariance is the sum over the draws of diag(p) - p p^T.
Its quadratic form is asymptotically chi-squared (the martingale central limit theorem), and for draws without pity it
is Pearson's statistic.
"""

import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from croupier.gacha.pity import Counters, Weights, draw_weights
from croupier_schemas.economy import PPM, RARITIES, Banner
from croupier_schemas.records import GACHA, GACHA_DRAW

EXPECTED_MIN = 5.0
"""Cochran's rule: with fewer expected draws in a group the statistic is not near enough to its distribution."""

_RARITIES = range(len(RARITIES))
_SINGULAR = 1e-9

Matrix = list[list[float]]


class Compared(NamedTuple):
    """The outcome of the test. `groups` are indices of rarities; `p_value` is None where fewer than two are left."""

    groups: list[list[int]]
    chi_square: float | None
    degrees_of_freedom: int
    p_value: float | None


class Observed:
    """Counts of one banner under one version of the economy."""

    def __init__(self, banner: Banner) -> None:
        self._banner = banner
        self._weights: dict[Counters, Weights] = {}
        self._draws: Counter[tuple[Weights, int]] = Counter()
        self.pulls = 0

    def add(self, result: bytes) -> None:
        """Count the draws of a pull from the result of its event. Raises ValueError where that is another layout."""
        seen = GACHA.unpack(result)
        since = [seen.since_legendary, seen.since_epic, seen.since_rare]
        for start in range(GACHA.size, len(result), GACHA_DRAW.size):
            draw = GACHA_DRAW.unpack(result, start)
            weights = self._weights_of((since[0], since[1], since[2]))
            self._draws[weights, (draw.downgraded_from or draw.rarity) - 1] += 1
            since = [0 if index == draw.rarity - 1 else count + 1 for index, count in enumerate(since)]
        self.pulls += 1

    @property
    def draws(self) -> int:
        return sum(self._draws.values())

    @property
    def counts(self) -> list[int]:
        """How often each rarity was drawn, before stock replaced it."""
        counts = [0 for _ in _RARITIES]
        for (_, drawn), number in self._draws.items():
            counts[drawn] += number
        return counts

    @property
    def expected(self) -> list[float]:
        """How often each rarity was to be expected."""
        sums = [0 for _ in _RARITIES]  # in ppm, so that they are exact
        for (weights, _), number in self._draws.items():
            for rarity in _RARITIES:
                sums[rarity] += weights[rarity] * number
        return [total / PPM for total in sums]

    @property
    def covariance(self) -> Matrix:
        """Covariance of the counts of two rarities."""
        sums = [[0 for _ in _RARITIES] for _ in _RARITIES]
        for (weights, _), number in self._draws.items():
            for one in _RARITIES:
                for other in _RARITIES:
                    certain = PPM if one == other else 0
                    sums[one][other] += number * weights[one] * (certain - weights[other])
        return [[total / PPM**2 for total in row] for row in sums]

    def compared(self) -> Compared:
        """Test the counts against the disclosed odds."""
        expected, counts, covariance = self.expected, self.counts, self.covariance
        if any(not weights[drawn] for weights, drawn in self._draws):
            return Compared([[rarity] for rarity in _RARITIES], None, 0, 0.0)  # what cannot be has happened
        groups = _groups(expected)
        difference = [sum(counts[i] - expected[i] for i in group) for group in groups]
        of_groups = [
            [sum(covariance[i][j] for i in one for j in other) for other in groups] for one in groups
        ]
        # The last follows from the others, since the numbers sum to the draws.
        chi_square, degrees = _quadratic_form(difference[:-1], [row[:-1] for row in of_groups[:-1]])
        if not degrees:
            return Compared(groups, None, 0, None)
        return Compared(groups, chi_square, degrees, chi_square_survival(chi_square, degrees))

    def _weights_of(self, counters: Counters) -> Weights:
        weights = self._weights.get(counters)
        if weights is None:
            weights = self._weights[counters] = draw_weights(self._banner, counters)
        return weights


def _groups(expected: Sequence[float]) -> list[list[int]]:
    """Rarities together with lower ones until each group is expected often enough; what is left joins the last."""
    groups: list[list[int]] = []
    open_group: list[int] = []
    for rarity in _RARITIES:
        open_group.append(rarity)
        if sum(expected[each] for each in open_group) >= EXPECTED_MIN:
            groups.append(open_group)
            open_group = []
    if open_group and groups:
        groups[-1] = groups[-1] + open_group
    return groups or [open_group]


def _quadratic_form(vector: Sequence[float], matrix: Matrix) -> tuple[float, int]:
    """vector^T matrix^-1 vector and the rank, by Cholesky's method; directions without variance are left out."""
    total, rank = 0.0, 0
    rest, left = [list(row) for row in matrix], list(vector)
    for pivot in range(len(left)):
        variance = rest[pivot][pivot]
        if variance <= _SINGULAR * max(1.0, matrix[pivot][pivot]):
            continue
        total += left[pivot] ** 2 / variance
        rank += 1
        for row in range(pivot + 1, len(left)):
            factor = rest[row][pivot] / variance
            left[row] -= factor * left[pivot]
            for column in range(pivot, len(left)):
                rest[row][column] -= factor * rest[pivot][column]
    return total, rank


def chi_square_survival(value: float, degrees_of_freedom: int) -> float:
    """Probability that a chi-squared variable is at least `value`.

    From erfc for one degree and exp for two, upwards by Q(k + 2) = Q(k) + (x/2)^(k/2) e^(-x/2) / Gamma(k/2 + 1).
    """
    half = value / 2
    degrees = 2 - degrees_of_freedom % 2
    survival = math.erfc(math.sqrt(half)) if degrees == 1 else math.exp(-half)
    while degrees < degrees_of_freedom:
        survival += half ** (degrees / 2) * math.exp(-half) / math.gamma(degrees / 2 + 1)
        degrees += 2
    return survival
