"""From a roll to a crash point, and from that and the time to the end of a round. Multipliers are in hundredths."""

import datetime
import math
import re
from collections.abc import Iterator
from typing import Final

from croupier.fairness.rolls import rolls
from croupier_schemas.crash import Outcome
from croupier_schemas.fairness import CrashBetReceipt, CrashRound, CrashSettledReceipt

_GAME_ID: Final = re.compile(r"[0-9a-f]{32}")
_EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_EXPONENT_MAX: Final = 100.0
"""Far above the logarithm of every cap, and `exp` of it is a number."""


def crash_point_m100(u: float, cap_m100: int) -> int:
    """Where a round crashes by its roll."""
    return min(cap_m100, max(100, math.floor(99 / (1 - u))))


def multiplier_m100(growth_ppm: int, elapsed_ms: int, cap_m100: int) -> int:
    """What the multiplier has grown to."""
    exponent = min(growth_ppm * elapsed_ms / 1_000_000_000, _EXPONENT_MAX)
    return min(cap_m100, math.floor(100 * math.exp(exponent)))


def bet_problems(receipt: CrashBetReceipt) -> Iterator[str]:
    """What is wrong with a bet, one sentence for each. There is no outcome yet that could be."""
    yield from _round_problems(receipt)
    if _time_ms(receipt) != receipt.started_at_ms:
        yield f"started_at_ms is {receipt.started_at_ms}, and the time of the event {_time_ms(receipt)}"


def settlement_problems(receipt: CrashSettledReceipt, server_seed: str) -> Iterator[str]:
    """What is wrong with the end of a round, one sentence for each."""
    yield from _round_problems(receipt)
    (u,) = rolls(server_seed, receipt.client_seed, receipt.nonce, 1)
    crash_m100 = crash_point_m100(u, receipt.cap_m100)
    outcome, paid_m100 = _end(receipt, crash_m100)
    for name, found in (
        ("elapsed_ms", max(0, _time_ms(receipt) - receipt.started_at_ms)),
        ("crash_m100", crash_m100),
        ("outcome", outcome),
        ("paid_m100", paid_m100),
        ("payout", receipt.bet * (paid_m100 or 0) // 100),
    ):
        said = getattr(receipt, name)
        if said != found:
            yield f"{name} is {said!r}, and recomputed it is {found!r}"


def _end(receipt: CrashSettledReceipt, crash_m100: int) -> tuple[Outcome, int | None]:
    """How the round stood when it was settled: a running one was cashed out at the multiplier of that moment."""
    reached = multiplier_m100(receipt.growth_ppm, receipt.elapsed_ms, receipt.cap_m100)
    if crash_m100 == 100 or crash_m100 < min(reached, receipt.target_m100):
        return "crashed", None
    if reached >= receipt.target_m100:
        return "auto", receipt.target_m100
    return "cashed", reached


def _round_problems(receipt: CrashRound) -> Iterator[str]:
    if not _GAME_ID.fullmatch(receipt.game_id):
        yield "game_id is not 32 hexadecimal digits in lower case"
    if receipt.bet < 1:
        yield f"bet {receipt.bet} is not a positive number"
    if not 101 <= receipt.target_m100 <= receipt.cap_m100:
        yield f"target_m100 {receipt.target_m100} is not between 101 and the cap, {receipt.cap_m100}"


def _time_ms(receipt: CrashRound) -> int:
    return (receipt.time - _EPOCH) // datetime.timedelta(milliseconds=1)
