"""Pearson's chi-square test, without a library of statistics."""

from collections.abc import Mapping
from math import erfc, exp, gamma, sqrt


def chi_square(observed: Mapping[str, int], expected: Mapping[str, float]) -> float:
    """The statistic, over the categories of `expected`."""
    assert set(observed) <= set(expected), set(observed) - set(expected)
    return sum((observed.get(name, 0) - count) ** 2 / count for name, count in expected.items())


def p_value(statistic: float, degrees_of_freedom: int) -> float:
    """How likely the chi-square distribution exceeds the statistic.

    Exact: Q(x | 1) = erfc(sqrt(x/2)), Q(x | 2) = exp(-x/2), and Q(x | k + 2) = Q(x | k) + (x/2)^(k/2) e^(-x/2) /
    gamma(k/2 + 1) (Abramowitz and Stegun, Handbook of Mathematical Functions, 26.4.4, 26.4.5 and 26.4.8).
    """
    half = statistic / 2
    k = 1 if degrees_of_freedom % 2 else 2
    tail = erfc(sqrt(half)) if k == 1 else exp(-half)
    while k < degrees_of_freedom:
        tail += half ** (k / 2) * exp(-half) / gamma(k / 2 + 1)
        k += 2
    return tail
