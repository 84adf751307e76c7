"""The slot machine in plain Python, by its window. Machines are plain dicts, as their JSON form reads."""

import math
import struct
from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import product
from typing import Any, NamedTuple

Machine = Mapping[str, Any]

_SPUN = struct.Struct(">BBBBIQ")


class Spun(NamedTuple):
    """A spin. `reels` and `lines` are as in the reply; `result` is that of the event."""

    stops: tuple[int, ...]
    reels: tuple[tuple[str, ...], ...]
    lines: list[dict[str, Any]]
    payout: int
    result: bytes


def spin(machine: Machine, bet: int, u: Sequence[float]) -> Spun:
    """What comes of the rolls `u`, one for each reel."""
    stops = tuple(math.floor(each * len(reel)) for reel, each in zip(machine["reels"], u, strict=True))
    return at(machine, bet, stops)


def at(machine: Machine, bet: int, stops: tuple[int, ...]) -> Spun:
    """What comes of a bet where the reels stop there."""
    reels = tuple(
        tuple(2 * reel)[stop : stop + 3] for reel, stop in zip(machine["reels"], stops, strict=True)
    )
    top, middle, bottom = zip(*reels, strict=True)
    falling = (top[0], middle[1], bottom[2])
    rising = (bottom[0], middle[1], top[2])
    lines, percent = [], 0
    for number, symbols in enumerate((top, middle, bottom, falling, rising)):
        pays = machine["paytable"][symbols[0]]
        if symbols.count(symbols[0]) == 3:
            count, worth = 3, pays["three"]
        elif symbols[0] == symbols[1]:
            count, worth = 2, pays["two"]
        else:
            continue
        percent += worth
        if worth:
            paid = bet * worth // 100
            lines.append({"line": number, "symbol": symbols[0], "count": count, "payout": paid})
    assert bet * percent % 100 == 0
    payout = bet * percent // 100
    return Spun(stops, reels, lines, payout, _SPUN.pack(1, *stops, percent, payout))


def moments(machine: Machine) -> tuple[Fraction, Fraction]:
    """Average and variance of the payout for a bet of 1, over all spins."""
    stops = product(*(range(len(reel)) for reel in machine["reels"]))
    payouts = [Fraction(at(machine, 100, each).payout, 100) for each in stops]
    average = sum(payouts, Fraction(0)) / len(payouts)
    squares = [(each - average) * (each - average) for each in payouts]
    return average, sum(squares, Fraction(0)) / len(payouts)
