"""Where crash rounds crashed, or would have, against the law that is disclosed."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Final

from croupier.analytics.asking import Period, ask
from croupier.chi_square import Tally
from croupier.crash.odds import TARGET_MIN_M100, reach
from croupier.fairness.queries import economy_of_event
from croupier.query import Sources
from croupier_schemas.analytics import CrashBin, CrashPoints

_FROM_M100: Final = (100, TARGET_MIN_M100, 120, 150, 200, 300, 500, 1_000, 2_000, 5_000, 10_000, 100_000)
"""Where each bin begins, in hundredths; it ends where the next one begins, and the last one has no end."""

_WHOLE: Final = 10**12
"""Probabilities as weights: exact enough for any number of rounds, and whole."""

# In hundredths they are whole numbers again, whatever the division by 100 did to them.
_POINTS: Final = """
SELECT economy, roundDown(toUInt32(round(crash_point * 100)), {bins:Array(UInt32)}) AS from_m100, count() AS rounds
FROM game_events FINAL
WHERE created_at >= fromUnixTimestamp64Milli({since_ms:Int64}) AND event_type = 'crash.settled'
    AND crash_point IS NOT NULL
GROUP BY economy, from_m100
"""


async def crash_points(sources: Sources, days: int) -> CrashPoints:
    """The rounds that ended in the last days. Raises CroupierError NOT_READY."""
    since_ms = Period.of(sources, days).since_ms
    rows = await ask(sources, _POINTS, since_ms=since_ms, bins=list(_FROM_M100))
    counts = Tally([f"{start / 100:.2f}" for start in _FROM_M100])
    for row in rows:
        economy = (await economy_of_event(sources, row["economy"])).economy
        weights = _weights(100 * economy.crash.max_multiplier)
        counts.add(weights, _FROM_M100.index(row["from_m100"]), row["rounds"])
    test = counts.compared()
    ends: Sequence[int | None] = (*_FROM_M100[1:], None)
    return CrashPoints(
        rounds=counts.draws,
        bins=[
            CrashBin(start / 100, None if end is None else end / 100, observed, expected)
            for start, end, observed, expected in zip(
                _FROM_M100, ends, counts.counts, counts.expected, strict=True
            )
        ],
        chi_square=test.chi_square,
        degrees_of_freedom=test.degrees_of_freedom,
        p_value=test.p_value,
    )


def _weights(cap_m100: int) -> tuple[int, ...]:
    """The probability of each bin; what would be beyond the cap is at the cap."""

    def at_least(m100: int) -> Fraction:
        if m100 <= 100:
            return Fraction(1)
        return reach(m100) if m100 <= cap_m100 else Fraction(0)

    ends = (*_FROM_M100[1:], cap_m100 + 1)
    return tuple(
        round((at_least(start) - at_least(end)) * _WHOLE) for start, end in zip(_FROM_M100, ends, strict=True)
    )
