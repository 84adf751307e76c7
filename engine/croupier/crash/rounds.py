"""The course of a crash round in plain Python: multipliers, the crash point, and when a round is over.

Multipliers are integers in hundredths, `m100`. What a settlement pays is decided by the scripts alone; this tells the
sweeper when to run them.
"""

import math
import re
from typing import Final

from croupier.crash.odds import TARGET_MIN_M100
from croupier_schemas.crash import Outcome
from croupier_schemas.records import CRASH_AUTO, CRASH_CASHED, CRASH_CRASHED

LOST_AT_ONCE_M100: Final = 100
"""A round with this crash point is over as soon as it has begun."""

OUTCOMES: Final[dict[int, Outcome]] = {CRASH_CASHED: "cashed", CRASH_AUTO: "auto", CRASH_CRASHED: "crashed"}
"""How a round ended, by the number in the record."""

_GAME_ID: Final = re.compile(r"[0-9a-f]{32}")


def game_of(game_id: str) -> bytes:
    """A round's id as the records have it, 16 bytes; empty for a text that is the id of no round."""
    return bytes.fromhex(game_id) if _GAME_ID.fullmatch(game_id) else b""


def target_m100(auto_cashout: float | None, cap_m100: int) -> int:
    """The multiplier at which a bet is paid by itself: the one asked for, or else the cap.

    Raises ValueError where it is not from 1.01 to the cap, or has more than two decimals. A number has at most two
    where it is the one nearest to a whole number of hundredths, as JSON's `2.37` is read.
    """
    if auto_cashout is None:
        return cap_m100
    if not TARGET_MIN_M100 / 100 <= auto_cashout <= cap_m100 / 100:
        raise ValueError("out of range")
    hundredths = round(auto_cashout * 100)
    if hundredths / 100 != auto_cashout:
        raise ValueError("more than two decimals")
    return hundredths


def multiplier_m100(growth_ppm: int, cap_m100: int, elapsed_ms: int) -> int:
    """min(cap, floor(100 * e^(k * t))), so long after the bet."""
    exponent = growth_ppm * elapsed_ms / 1_000_000_000
    if exponent > math.log(cap_m100):  # by then it is at the cap, and e^exponent may be no number
        return cap_m100
    return min(cap_m100, math.floor(100 * math.exp(exponent)))


def crash_point_m100(u: float, cap_m100: int) -> int:
    """min(cap, max(1.00, floor(99 / (1 - u)) / 100)), from roll 0 of the bet's nonce."""
    return min(cap_m100, max(LOST_AT_ONCE_M100, math.floor(99 / (1 - u))))


def duration_ms(crash_m100: int, target_m100: int, cap_m100: int, growth_ppm: int) -> int:
    """How long after the bet the round is over: where its target is reached or its crash point exceeded."""
    if crash_m100 == LOST_AT_ONCE_M100:
        return 0
    last_m100 = min(target_m100, crash_m100 + 1)
    elapsed_ms = math.floor(1_000_000_000 * math.log(last_m100 / 100) / growth_ppm)
    while multiplier_m100(growth_ppm, cap_m100, elapsed_ms) < last_m100:
        elapsed_ms += 1
    return elapsed_ms
