"""Counts of durations by size, small and fast enough to record each answer of a load.

The layout is that of HdrHistogram (Gil Tene, http://hdrhistogram.org; `AbstractHistogram` of its Java version,
`countsArrayIndex`) with a lowest discernible value of 1 us, a highest of 1 hour and 3 significant digits: values below
2,048 have a place of their own; from there on, each doubling of the value has 1,024 places, which are twice as wide as
those before. A place is therefore never wider than a thousandth of what it holds.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import accumulate
from math import ceil, sqrt
from typing import Final

HIGHEST_US: Final = 3_600_000_000
"""1 hour, in microseconds. Longer durations are recorded as this one."""

PRECISE_BITS: Final = 11
"""2^11 places before they begin to widen: 3 significant digits."""

ROUGH_BITS: Final = 7
"""2 significant digits at least, in 1,728 places: to be copied and searched while a load runs."""


class Histogram:
    """Counts of durations in whole microseconds, of which 0 is the smallest."""

    __slots__ = ("_bits", "_half_bits", "counts")

    def __init__(self, bits: int = PRECISE_BITS) -> None:
        self._bits = bits
        self._half_bits = bits - 1
        self.counts = [0] * (self._place_of(HIGHEST_US) + 1)

    def record(self, us: int) -> None:
        """Count a duration, in microseconds."""
        shift = us.bit_length() - self._bits
        if shift <= 0:
            self.counts[us] += 1
        elif us <= HIGHEST_US:
            self.counts[(shift << self._half_bits) + (us >> shift)] += 1
        else:
            self.counts[-1] += 1

    def merge(self, other: "Histogram") -> None:
        """Add what the other one has counted. It must have as many places."""
        self.counts = [ours + theirs for ours, theirs in zip(self.counts, other.counts, strict=True)]

    def since(self, earlier: Sequence[int]) -> "Histogram":
        """What was counted after `counts` was as in `earlier`."""
        difference = Histogram(self._bits)
        difference.counts = [now - before for now, before in zip(self.counts, earlier, strict=True)]
        return difference

    @property
    def total(self) -> int:
        """How many were counted."""
        return sum(self.counts)

    @property
    def highest_us(self) -> int:
        """The highest duration counted, as `highest_equivalent_us` of it; 0 where nothing was counted."""
        last = max((place for place, count in enumerate(self.counts) if count), default=0)
        return self._highest_at(last)

    def highest_equivalent_us(self, us: int) -> int:
        """The highest duration that is counted in the same place."""
        return self._highest_at(self._place_of(min(us, HIGHEST_US)))

    def percentiles_us(self, percentiles: Sequence[str]) -> list[int]:
        """For each percentile the smallest place that this share of the durations does not exceed, as its highest
        duration: the nearest-rank percentile, rounded up to the place's end. 0 where nothing was counted.

        Percentiles are decimal numbers above 0 and up to 100 as texts, because 99.99 is not a binary fraction; each is
        at least the one before.
        """
        total = self.total
        found: list[int] = []
        counted = enumerate(accumulate(self.counts))
        place, so_far = -1, 0
        for percentile in percentiles:
            rank = ceil(Fraction(percentile) * total / 100)
            while so_far < rank:
                place, so_far = next(counted)
            found.append(self._highest_at(place) if total else 0)
        return found

    def recorded(self) -> Iterator[tuple[int, int]]:
        """The highest duration, in microseconds, and the count of each place that has any, the shortest first."""
        return ((self._highest_at(place), count) for place, count in enumerate(self.counts) if count)

    def mean_and_deviation_us(self) -> tuple[float, float]:
        """Mean and standard deviation, each place standing for its middle; zeros where nothing was counted."""
        total = self.total
        if not total:
            return 0.0, 0.0
        middles = [
            ((self._lowest_at(place) + self._highest_at(place) + 1) // 2, count)
            for place, count in enumerate(self.counts)
            if count
        ]
        mean = sum(middle * count for middle, count in middles) / total
        return mean, sqrt(sum((middle - mean) ** 2 * count for middle, count in middles) / total)

    @property
    def doublings(self) -> int:
        """How many doublings of the value there are places for, that below the first widening included."""
        return (len(self.counts) - 1) >> self._half_bits

    @property
    def places_at_first(self) -> int:
        """Places before they begin to widen."""
        return 1 << self._bits

    def _place_of(self, us: int) -> int:
        shift = max(us.bit_length() - self._bits, 0)
        return (shift << self._half_bits) + (us >> shift)

    def _lowest_at(self, place: int) -> int:
        shift = max((place >> self._half_bits) - 1, 0)
        return (place - (shift << self._half_bits)) << shift

    def _highest_at(self, place: int) -> int:
        shift = max((place >> self._half_bits) - 1, 0)
        return self._lowest_at(place) + (1 << shift) - 1
