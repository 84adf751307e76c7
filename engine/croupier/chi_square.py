"""Outcomes as they came out, against the probabilities that are disclosed for each of them.

The disclosed probabilities of a draw may depend on the draws before, as with pity; so the counts are no multinomial
sample of one table. But given what came before, each draw has its own disclosed probabilities p: the count of an
outcome less the sum of its p is a martingale, whose covariance is the sum over the draws of diag(p) - p p^T. Its
quadratic form is asymptotically chi-squared (the martingale central limit theorem), and where all draws have the same
probabilities it is Pearson's statistic.
"""

import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

EXPECTED_MIN = 5.0
"""Cochran's rule: with fewer expected draws in a group the statistic is not near enough to its distribution."""

_SINGULAR = 1e-9

Weights = tuple[int, ...]
Matrix = list[list[float]]


class Compared(NamedTuple):
    """The outcome of the test. `groups` are numbers of outcomes; `p_value` is None where fewer than two are left."""

    groups: list[list[int]]
    chi_square: float | None
    degrees_of_freedom: int
    p_value: float | None


class Tally:
    """Counts of the outcomes of draws, each with the weights that were disclosed for it.

    Outcomes are numbered; one that is expected too rarely is counted together with the next, so their order matters.
    """

    def __init__(self, outcomes: Sequence[str]) -> None:
        self.outcomes = tuple(outcomes)
        self._draws: Counter[tuple[Weights, int]] = Counter()

    def add(self, weights: Weights, drawn: int, draws: int = 1) -> None:
        """Count draws with the same weights and the same outcome.

        `weights` has one whole number for each outcome, `drawn` is the number of the outcome.
        """
        self._draws[weights, drawn] += draws

    @property
    def draws(self) -> int:
        return self._draws.total()

    @property
    def counts(self) -> list[int]:
        """How often each outcome was drawn."""
        counts = [0 for _ in self.outcomes]
        for (_, drawn), number in self._draws.items():
            counts[drawn] += number
        return counts

    @property
    def expected(self) -> list[float]:
        """How often each outcome was to be expected."""
        drawn_with = self._drawn_with()
        return [
            math.fsum(number * weights[outcome] / sum(weights) for weights, number in drawn_with.items())
            for outcome in range(len(self.outcomes))
        ]

    @property
    def covariance(self) -> Matrix:
        """Covariance of the counts of two outcomes."""
        sums = [[0.0 for _ in self.outcomes] for _ in self.outcomes]
        for weights, number in self._drawn_with().items():
            total = sum(weights)
            for one, weight in enumerate(weights):
                for other, other_weight in enumerate(weights):
                    certain = total if one == other else 0
                    sums[one][other] += number * (weight * (certain - other_weight) / total**2)
        return sums

    def compared(self) -> Compared:
        """Test the counts against the disclosed probabilities."""
        expected, counts, covariance = self.expected, self.counts, self.covariance
        if any(not weights[drawn] for weights, drawn in self._draws):
            # What cannot be has happened.
            return Compared([[outcome] for outcome in range(len(self.outcomes))], None, 0, 0.0)
        groups = _groups(expected)
        difference = [sum(counts[i] - expected[i] for i in group) for group in groups]
        of_groups = [
            [sum(covariance[i][j] for i in one for j in other) for other in groups] for one in groups
        ]
        # The last follows from the others, since the numbers sum to the draws.
        chi_square, degrees = _quadratic_form(difference[:-1], [row[:-1] for row in of_groups[:-1]])
        if not degrees:
            return Compared(groups, None, 0, None)
        return Compared(groups, chi_square, degrees, survival(chi_square, degrees))

    def _drawn_with(self) -> Counter[Weights]:
        drawn_with: Counter[Weights] = Counter()
        for (weights, _), number in self._draws.items():
            drawn_with[weights] += number
        return drawn_with


def together(tests: Sequence[Compared]) -> Compared:
    """One test of several independent ones: their statistics and their degrees of freedom add up.

    `groups` is empty. Those with too few draws are left out.
    """
    if any(test.p_value == 0.0 and test.chi_square is None for test in tests):
        return Compared([], None, 0, 0.0)
    usable = [test for test in tests if test.chi_square is not None]
    degrees = sum(test.degrees_of_freedom for test in usable)
    if not degrees:
        return Compared([], None, 0, None)
    total = sum(test.chi_square or 0.0 for test in usable)
    return Compared([], total, degrees, survival(total, degrees))


def _groups(expected: Sequence[float]) -> list[list[int]]:
    """Outcomes together with the next until each group is expected often enough; what is left joins the last."""
    groups: list[list[int]] = []
    open_group: list[int] = []
    for outcome in range(len(expected)):
        open_group.append(outcome)
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


def survival(value: float, degrees_of_freedom: int) -> float:
    """Probability that a chi-squared variable is at least `value`.

    From erfc for one degree and exp for two, upwards by Q(k + 2) = Q(k) + (x/2)^(k/2) e^(-x/2) / Gamma(k/2 + 1). The
    terms by their logarithms, since hundreds of degrees of freedom would overflow.
    """
    half = value / 2
    degrees = 2 - degrees_of_freedom % 2
    result = math.erfc(math.sqrt(half)) if degrees == 1 else math.exp(-half)
    while degrees < degrees_of_freedom:
        if half > 0:
            result += math.exp(degrees / 2 * math.log(half) - half - math.lgamma(degrees / 2 + 1))
        degrees += 2
    return min(1.0, result)
