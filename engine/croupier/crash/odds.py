"""The odds of the crash game as they are disclosed to players."""

from fractions import Fraction
from typing import Final

from croupier.probability import exact
from croupier_schemas.crash import CrashOdds, CrashReach, CrashRules
from croupier_schemas.economy import Crash

TARGET_MIN_M100: Final = 101
"""Smallest multiplier that can be aimed at, in hundredths: at 1.00 a round is lost or has not begun to grow."""

_SHOWN_M100: Final = (101, 110, 150, 200, 300, 500, 1_000, 2_000, 5_000, 10_000, 50_000)

_RULES: Final = CrashRules(
    crash_point="Roll 0 of the bet is u: the round crashes at min(max_multiplier, max(1.00, floor(99 / (1 - u)) / "
    "100)). It reaches a multiplier m from 1.01 to max_multiplier with the probability 0.99 / m, since 99 / (1 - u) "
    ">= 100 * m exactly if 1 - u <= 0.99 / m.",
    growth="t seconds after the bet the multiplier is e^(growth_ppm / 1000000 * t), cut to hundredths, and at most "
    "max_multiplier.",
    payout="A cash-out at m pays floor(bet * m) if m is at most the crash point and the crash point is above 1.00; "
    "else nothing. A bet that is never cashed out is paid at its auto cash-out, and without one at max_multiplier, "
    "if the round gets there.",
    rtp="The average payout over the bet: the probability 0.99 / m, times m, is 0.99 for every m from 1.01 to "
    "max_multiplier, so no target is better than another. Two things cost more: where bet * m is not whole, the "
    "fraction of a token that is cut off; and a cash-out at 1.00, which gives the bet back unless the round is lost "
    "at once.",
    precision="Rolls are multiples of 2^-52. The stated fractions differ from the probability of the rolls "
    "by less than 10^-14.",
)


def reach(multiplier_m100: int) -> Fraction:
    """Probability that a round reaches a multiplier, given in hundredths, from 1.01 to the cap: 0.99 / m.

    floor(99 / (1 - u)) >= M exactly if 1 - u <= 99 / M, and u is uniform.
    """
    return Fraction(99, multiplier_m100)


def rtp(target_m100: int) -> Fraction:
    """Average payout over the bet of who always cashes out at this target, from 1.01 to the cap: 0.99."""
    return reach(target_m100) * Fraction(target_m100, 100)


def disclose(crash: Crash) -> CrashOdds:
    """The disclosed odds, which depend on this section of the economy alone."""
    cap_m100 = 100 * crash.max_multiplier
    shown = [each for each in _SHOWN_M100 if each < cap_m100] + [cap_m100]
    return CrashOdds(
        enabled=crash.enabled,
        growth_ppm=crash.growth_ppm,
        max_multiplier=crash.max_multiplier,
        reaches=tuple(
            CrashReach(multiplier=f"{each / 100:.2f}", probability=exact(reach(each))) for each in shown
        ),
        lost_at_once=exact(1 - reach(TARGET_MIN_M100)),
        rtp=exact(rtp(TARGET_MIN_M100)),
        rules=_RULES,
    )
