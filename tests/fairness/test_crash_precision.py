"""That no exponential function worth the name can give another multiplier than the one paid.

The multiplier is floor(100 * e^x), x being a whole number N of billionths. Another language's `exp` could give another
result only where 100 * e^x is closer to a whole number k than such functions are exact. For each k there is one such
N to look at, the one nearest to 10^9 * ln(k / 100). So all growths and times there may be are looked at here.
"""

import math
from decimal import Decimal, localcontext

from croupier.fairness.verify.crash import multiplier_m100
from croupier_schemas.economy import Crash

MULTIPLIERS = range(101, 100_001)
"""Up to the largest `max_multiplier`, in hundredths. At 100 x is 0, and e^0 is exactly 1 everywhere."""
ROUNDED_X = 2.0**-51
"""What rounding x to a double, below 8, moves e^x by at most, in parts of e^x."""
ROUNDED_PRODUCT = 2.0**-53
"""What rounding 100 * e^x to a double moves it by at most, in parts of it."""


def nearest(unit_x: Decimal, suspicion: float) -> list[tuple[Decimal, int, int]]:
    """(distance between N units of x and ln(k / 100), N, k) for each k where it is suspiciously small; in that order.

    `suspicion` is in units. Logarithms in doubles, which are wrong by far less, single out the suspects. The distance
    of the two exponents is also that of 100 * e^x and k, in parts of k.
    """
    suspects = []
    for k in MULTIPLIERS:
        n = math.log(k / 100) / float(unit_x)
        if abs(n - round(n)) < suspicion:
            suspects.append((round(n), k))
    with localcontext(prec=50):
        return sorted((abs((Decimal(k) / 100).ln() - n * unit_x), n, k) for n, k in suspects)


def test_given_every_growth_and_time_when_the_multiplier_is_computed_then_any_exp_of_10_units_gives_the_same() -> (
    None
):
    found = nearest(Decimal("1e-9"), suspicion=1e-3)

    distance, n, k = found[0]
    assert (n, k) == (4_990_772_665, 14_705)
    assert Decimal("4.0e-15") < distance < Decimal("4.1e-15")
    unit_in_the_last_place = 2.0**-52  # of a number that it is the largest part of
    assert float(distance) > ROUNDED_X + ROUNDED_PRODUCT + 10 * unit_in_the_last_place


def test_given_the_default_growth_when_each_multiplier_is_computed_then_none_is_within_a_ten_millionth() -> (
    None
):
    unit_x = Decimal(Crash().growth_ppm) / 10**9

    # Every other one is at least 101 * 0.01 * unit_x from a whole number.
    distance, elapsed_ms, k = min((parts * k, n, k) for parts, n, k in nearest(unit_x, suspicion=1e-2))

    assert (elapsed_ms, k) == (33_358, 740)
    assert Decimal("1.5e-7") < distance < Decimal("1.6e-7") < unit_x


def test_given_the_nearest_exponents_when_computed_in_doubles_then_they_are_on_the_right_side() -> None:
    for _, n, k in nearest(Decimal("1e-9"), suspicion=1e-3):
        with localcontext(prec=50):
            exact = math.floor(100 * (Decimal(n) / 10**9).exp())
        assert exact in (k - 1, k)
        assert multiplier_m100(1, n, 100_000) == exact
