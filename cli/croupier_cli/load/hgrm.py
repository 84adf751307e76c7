"""HdrHistogram's text format for percentile distributions (`.hgrm`), which its plotter and many tools read.

The lines and their steps are those of `AbstractHistogram.outputPercentileDistribution` of the Java version, with five
lines for each halving of what is left to 100 %.
"""

from math import floor, log2
from typing import Final

from croupier_cli.load.histogram import Histogram

_LINES_PER_HALVING: Final = 5
_US_PER_MS: Final = 1000


def hgrm(histogram: Histogram) -> str:
    """The distribution as text; durations in milliseconds."""
    total = histogram.total
    mean_us, deviation_us = histogram.mean_and_deviation_us()
    places = histogram.places_at_first
    return "\n".join(
        [
            f"{'Value':>12} {'Percentile':>14} {'TotalCount':>10} {'1/(1-Percentile)':>14}",
            "",
            *(_line(us, percentile, so_far) for us, percentile, so_far in _steps(histogram, total)),
            f"#[Mean    = {_ms(mean_us)}, StdDeviation   = {_ms(deviation_us)}]",
            f"#[Max     = {_ms(histogram.highest_us)}, Total count    = {total:12d}]",
            f"#[Buckets = {histogram.doublings:12d}, SubBuckets     = {places:12d}]",
            "",
        ]
    )


def _steps(histogram: Histogram, total: int) -> list[tuple[int, float, int]]:
    """Duration in microseconds, percentile, and how many were no longer, line by line."""
    steps: list[tuple[int, float, int]] = []
    next_percentile, so_far, us = 0.0, 0, 0
    for us, count in histogram.recorded():
        so_far += count
        # All percentiles that this place reaches; the last place reaches all, and gets one line before its own below.
        while 100 * so_far / total >= next_percentile:
            steps.append((us, next_percentile, so_far))
            halvings = floor(log2(100 / (100 - next_percentile))) + 1
            next_percentile += 100 / (_LINES_PER_HALVING * 2**halvings)
            if so_far == total:
                break
    if total:
        steps.append((us, 100.0, total))
    return steps


def _line(us: int, percentile: float, so_far: int) -> str:
    line = f"{_ms(us)} {percentile / 100:2.12f} {so_far:10d}"
    return line if percentile == 100 else f"{line} {1 / (1 - percentile / 100):14.2f}"


def _ms(us: float) -> str:
    return f"{us / _US_PER_MS:12.3f}"
