"""The slot machine: what a spin shows and pays, and, from all of its spins, what it pays on average.

Reel i stops at s_i = floor(u_i * length of reel i), u_i being roll i of the spin. Its three visible rows, 0 at
the top, then show the symbols at s_i, s_i + 1 and s_i + 2, the strip being closed to a ring. Each of the
five lines takes one row of every reel.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import product
from math import prod
from typing import Final

import msgspec

from croupier_schemas.economy import Pays, Slot

ROWS: Final = 3

LINES: Final[tuple[tuple[int, int, int], ...]] = ((0, 0, 0), (1, 1, 1), (2, 2, 2), (0, 1, 2), (2, 1, 0))
"""The row of each reel that a line takes. A line's number is its index here."""

Column = tuple[str, ...]


@dataclass(frozen=True)
class Win:
    """A line that pays: `count` equal symbols from the left, worth `percent` of the whole bet."""

    line: int
    symbol: str
    count: int
    percent: int


@dataclass(frozen=True)
class LineOdds:
    """A way in which a line can pay, and the probability that one line, whichever it is, pays so in a spin."""

    symbol: str
    count: int
    percent: int
    probability: Fraction


@dataclass(frozen=True)
class Analysis:
    """What follows from all spins, each combination of stops being equally likely.

    `rtp` is the average payout over the bet, `hit_frequency` the share of spins that pay anything, and
    `percent_max` the payout of the best spin in percent of the bet. `line_odds` has every way to win that
    the paytable names, the highest payment first. `spins_by_percent` counts the spins by what they pay, in
    percent of the bet.
    """

    rtp: Fraction
    hit_frequency: Fraction
    percent_max: int
    line_odds: tuple[LineOdds, ...]
    spins_by_percent: Mapping[int, int]


def window(slot: Slot, stops: Sequence[int]) -> tuple[Column, ...]:
    """What is visible: for each reel, left to right, its symbols from the top row down."""
    return tuple(_column(reel, stop) for reel, stop in zip(slot.reels, stops, strict=True))


def wins(slot: Slot, stops: Sequence[int]) -> list[Win]:
    """The lines that pay something, in the order of their numbers.

    Raises:
        KeyError: a line begins with two equal symbols that are not in the paytable.
    """
    shown = window(slot, stops)
    found = []
    for line, rows in enumerate(LINES):
        first, second, third = (column[row] for column, row in zip(shown, rows, strict=True))
        if first == second:
            count = 3 if second == third else 2
            percent = _percent(slot.paytable[first], count)
            if percent > 0:
                found.append(Win(line, first, count, percent))
    return found


def payout(bet: int, wins: Iterable[Win]) -> int:
    """What a spin pays, in tokens: whole for every bet that is a multiple of 100."""
    return bet * sum(win.percent for win in wins) // 100


def analyse(slot: Slot) -> Analysis:
    """The exact analysis of a machine, by going through all of its spins: at most 32^3. Kept for later calls.

    Raises:
        KeyError: a symbol that can pay is not in the paytable.
    """
    return _analyse(msgspec.json.encode(slot, order="sorted"))


@lru_cache(maxsize=16)
def _analyse(section: bytes) -> Analysis:
    """Keyed by the canonical form of the section, because a paytable cannot be hashed."""
    slot = msgspec.json.decode(section, type=Slot)
    spins_by_percent = Counter(_percents(slot))
    spins = spins_by_percent.total()
    paid = sum(percent * count for percent, count in spins_by_percent.items())
    return Analysis(
        rtp=Fraction(paid, 100 * spins),
        hit_frequency=Fraction(spins - spins_by_percent[0], spins),
        percent_max=max(spins_by_percent),
        line_odds=tuple(sorted(_line_odds(slot), key=lambda each: (-each.percent, each.symbol, each.count))),
        spins_by_percent=spins_by_percent,
    )


def _percents(slot: Slot) -> Iterator[int]:
    """The payout of every spin, in percent of the bet.

    What the first two reels settle is worked out once for all stops of the third.
    """
    first_reel, second_reel, third_reel = (
        [_column(reel, stop) for stop in range(len(reel))] for reel in slot.reels
    )
    for first, second in product(first_reel, second_reel):
        equal = [(first[row], third_row) for row, other, third_row in LINES if first[row] == second[other]]
        two = sum(slot.paytable[symbol].two for symbol, _ in equal)
        more = [
            (row, symbol, slot.paytable[symbol].three - slot.paytable[symbol].two) for symbol, row in equal
        ]
        for third in third_reel:
            yield two + sum(percent for row, symbol, percent in more if third[row] == symbol)


def _line_odds(slot: Slot) -> Iterator[LineOdds]:
    """All lines have the same odds: on any row, a reel shows each symbol for its share of the stops."""
    for symbol, pays in slot.paytable.items():
        shares = [Fraction(reel.count(symbol), len(reel)) for reel in slot.reels]
        three = prod(shares, start=Fraction(1))
        for count, probability in ((2, shares[0] * shares[1] - three), (3, three)):
            percent = _percent(pays, count)
            if percent > 0:
                yield LineOdds(symbol, count, percent, probability)


def _column(reel: Sequence[str], stop: int) -> Column:
    return tuple(reel[(stop + row) % len(reel)] for row in range(ROWS))


def _percent(pays: Pays, count: int) -> int:
    return pays.three if count == 3 else pays.two
