"""Exact probabilities in the form in which they are disclosed."""

from decimal import Context, Decimal
from fractions import Fraction
from typing import Final

from croupier_schemas.odds import Probability

_PERCENT_DIGITS: Final = 10


def exact(fraction: Fraction) -> Probability:
    """The fraction itself, and in percent, rounded to ten significant digits and without an exponent."""
    percent = Context(prec=_PERCENT_DIGITS).divide(
        Decimal(100 * fraction.numerator), Decimal(fraction.denominator)
    )
    return Probability(
        numerator=fraction.numerator, denominator=fraction.denominator, percent=f"{percent.normalize():f}"
    )
