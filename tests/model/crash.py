"""The crash game in plain Python, from the contract's text alone. Multipliers are integers in hundredths."""

import math
from typing import NamedTuple


class Bet(NamedTuple):
    """An open round. `target` is the auto cash-out, or else the cap; `growth` is in ppm of the exponent per second."""

    bet: int
    target: int
    cap: int
    growth: int
    started_at_ms: int


def m100(growth: int, cap: int, elapsed_ms: int) -> int:
    """The multiplier so long after the bet: floor(100 * e^(k * t)), at most the cap."""
    exponent = growth * elapsed_ms / 1e9
    return cap if exponent > 100 else min(cap, math.floor(100 * math.exp(exponent)))


def crash_m100(u: float, cap: int) -> int:
    """Where the round of this roll crashes."""
    return min(cap, max(100, math.floor(99 / (1 - u))))


def judge(bet: Bet, crash: int, now_ms: int, *, cashing_out: bool) -> tuple[str, int, int]:
    """Outcome, multiplier paid and payout at this time; outcome "running" where there is nothing to settle yet."""
    now = m100(bet.growth, bet.cap, max(0, now_ms - bet.started_at_ms))
    if now >= bet.target:
        outcome, paid = ("auto", bet.target) if bet.target <= crash and crash > 100 else ("crashed", 0)
    elif now > crash or crash == 100:
        outcome, paid = "crashed", 0
    else:
        outcome, paid = ("cashed", now) if cashing_out else ("running", 0)
    return outcome, paid, bet.bet * paid // 100


def over_after_ms(bet: Bet, crash: int) -> int:
    """The first millisecond after the bet at which the round is over, found by trying; for rounds of a few minutes."""
    first, last = 0, 1
    while judge(bet, crash, bet.started_at_ms + last, cashing_out=False)[0] == "running":
        last *= 2
    while first < last:  # it stays over once it is
        middle = (first + last) // 2
        if judge(bet, crash, bet.started_at_ms + middle, cashing_out=False)[0] == "running":
            first = middle + 1
        else:
            last = middle
    return first
