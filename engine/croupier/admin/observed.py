"""What is counted of each game, so that it can be compared with the odds that the game discloses."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from math import lcm
from typing import Final, NamedTuple, Protocol

import msgspec

from croupier.chi_square import Tally, Weights
from croupier.crash.settled import Settlement
from croupier.economy.banner import drawing_order, items_of
from croupier.gacha.pity import Counters, draw_weights
from croupier.gacha.table import CompiledEconomy
from croupier.rps.played import PlayTerms
from croupier.slot.machine import analyse
from croupier_schemas.admin import ObservedMean
from croupier_schemas.economy import RARITIES, Banner, Slot
from croupier_schemas.events import decode_changes
from croupier_schemas.records import (
    GACHA,
    GACHA_DRAW,
    RPS_MOVES,
    RPS_OUTCOMES,
    RPS_PLAYED,
    SLOT_SPUN,
    GachaDraw,
)

_CRASH_BANDS_M100: Final = (100, 101, 150, 200, 300, 500, 1_000, 10_000)
"""Where bands of crash points begin; the last one ends at the cap."""

_PAYOUT_BANDS_PERCENT: Final = (0, 1, 100, 200, 500, 1_000)
"""Where bands of the payout of a spin begin, in percent of the bet."""

_PAYOUT_BANDS: Final = (
    "nothing", "less than the bet", "1× to below 2×", "2× to below 5×", "5× to below 10×", "10× and more"
)  # fmt: skip


class Round(NamedTuple):
    """What an event in Postgres says of a round; each of the three as it is stored."""

    terms: bytes
    result: bytes
    changes: bytes


class Observed(Protocol):
    """Counts of one game, or of one banner, under one version of the economy."""

    def add(self, played: Round) -> None:
        """Count a round. Raises ValueError where its layout is another one."""

    def tallies(self) -> dict[str, Tally]:
        """What was counted, by what it is called."""

    def mean(self) -> ObservedMean | None:
        """The return to player, where the disclosed odds alone fix it."""


class ObservedPulls:
    """Rarities, as they were drawn before stock replaced them, and the items within each delivered rarity."""

    def __init__(self, banner: Banner) -> None:
        self._banner = banner
        self._weights: dict[Counters, Weights] = {}
        self._rarities = Tally(RARITIES)
        items = [drawing_order(items_of(banner, rarity)) for rarity in RARITIES]
        self._items = [Tally([item.id for item in of_rarity]) for of_rarity in items]
        self._featured = [[item.featured for item in of_rarity] for of_rarity in items]
        self._usual = [tuple(item.weight for item in of_rarity) for of_rarity in items]
        self._guaranteed = [
            tuple(item.weight if item.featured else 0 for item in of_rarity) for of_rarity in items
        ]

    def add(self, played: Round) -> None:
        result = played.result
        seen = GACHA.unpack(result)
        since, guaranteed = [seen.since_legendary, seen.since_epic, seen.since_rare], bool(seen.guaranteed)
        for start in range(GACHA.size, len(result), GACHA_DRAW.size):
            draw = GACHA_DRAW.unpack(result, start)
            weights = self._weights_of((since[0], since[1], since[2]))
            self._rarities.add(weights, (draw.downgraded_from or draw.rarity) - 1)
            guaranteed = self._add_item(draw, guaranteed)
            since = [0 if index == draw.rarity - 1 else count + 1 for index, count in enumerate(since)]

    def tallies(self) -> dict[str, Tally]:
        items = {
            f"{rarity} items": tally
            for rarity, tally in zip(RARITIES, self._items, strict=True)
            if len(tally.outcomes) > 1
        }
        return {"Rarity": self._rarities, **items}

    def mean(self) -> None:
        return None

    def _add_item(self, draw: GachaDraw, guaranteed: bool) -> bool:
        """Count the item of a draw; whether the next of the rate-up rarity is a featured one."""
        delivered = draw.rarity - 1
        of_rate_up = RARITIES[delivered] == self._banner.rate_up
        of_rarity = self._guaranteed if of_rate_up and guaranteed else self._usual
        self._items[delivered].add(of_rarity[delivered], draw.item)
        return not self._featured[delivered][draw.item] if of_rate_up else guaranteed

    def _weights_of(self, counters: Counters) -> Weights:
        weights = self._weights.get(counters)
        if weights is None:
            weights = self._weights[counters] = draw_weights(self._banner, counters)
        return weights


class ObservedSpins:
    """What the reels show in the top row, what spins pay, and the return to player."""

    def __init__(self, slot: Slot) -> None:
        self._spins_by_percent = analyse(slot).spins_by_percent
        self._payouts = Tally(_PAYOUT_BANDS[::-1])
        bands = [0 for _ in _PAYOUT_BANDS]
        for percent, spins in self._spins_by_percent.items():
            bands[_band(_PAYOUT_BANDS_PERCENT, percent)] += spins
        self._payout_weights = tuple(bands[::-1])
        self._strips = slot.reels
        self._reels = [Tally(sorted(set(strip), key=strip.count)) for strip in slot.reels]
        self._reel_weights = [
            tuple(strip.count(symbol) for symbol in reel.outcomes)
            for strip, reel in zip(slot.reels, self._reels, strict=True)
        ]
        self._percent = 0

    def add(self, played: Round) -> None:
        spun = SLOT_SPUN.unpack(played.result)
        self._percent += spun.percent
        band = _band(_PAYOUT_BANDS_PERCENT, spun.percent)
        self._payouts.add(self._payout_weights, len(_PAYOUT_BANDS) - 1 - band)
        stops = (spun.stop_1, spun.stop_2, spun.stop_3)
        for reel, strip, weights, stop in zip(
            self._reels, self._strips, self._reel_weights, stops, strict=True
        ):
            reel.add(weights, reel.outcomes.index(strip[stop]))

    def tallies(self) -> dict[str, Tally]:
        reels = {f"Reel {number}, top row": reel for number, reel in enumerate(self._reels, start=1)}
        return {"Payout of a spin": self._payouts, **reels}

    def mean(self) -> ObservedMean | None:
        spins = self._payouts.draws
        if not spins:
            return None
        total = sum(self._spins_by_percent.values())
        rtp = sum(percent * n for percent, n in self._spins_by_percent.items()) / total
        variance = sum((percent - rtp) ** 2 * n for percent, n in self._spins_by_percent.items()) / total
        return ObservedMean(self._percent / spins, rtp, (variance / spins) ** 0.5)


class ObservedPlays:
    """Moves of the server, and outcomes. Games that a setting for tests decided do not count."""

    def __init__(self) -> None:
        self._moves = Tally(RPS_MOVES)
        self._outcomes = Tally(RPS_OUTCOMES)
        self._terms = msgspec.msgpack.Decoder(PlayTerms)

    def add(self, played: Round) -> None:
        if self._terms.decode(played.terms).deterministic:
            return
        record = RPS_PLAYED.unpack(played.result)
        self._moves.add((1, 1, 1), record.server_move)
        self._outcomes.add((1, 1, 1), record.outcome)

    def tallies(self) -> dict[str, Tally]:
        return {"Outcome": self._outcomes, "Move of the server": self._moves}

    def mean(self) -> None:
        return None


class ObservedCrashes:
    """Crash points. That of a round that was cashed out in time is known as well, and counts."""

    def __init__(self, cap_m100: int) -> None:
        """`cap_m100` is the largest multiplier of the economy in which the rounds ended, in hundredths."""
        starts = [start for start in _CRASH_BANDS_M100 if start < cap_m100]
        self._starts = starts
        self._points = Tally([_crash_band(starts, band) for band in reversed(range(len(starts)))])
        self._weights: dict[int, Weights] = {}

    def add(self, played: Round) -> None:
        images = [change.value or b"" for change in decode_changes(played.changes)[:2]]
        settlement = Settlement(images, played.result)
        if settlement.played is None:
            return
        band = _band(self._starts, settlement.crash.settled_crash_m100)
        self._points.add(self._weights_under(settlement.played.cap_m100), len(self._starts) - 1 - band)

    def tallies(self) -> dict[str, Tally]:
        return {"Crash point": self._points}

    def mean(self) -> None:
        return None

    def _weights_under(self, cap_m100: int) -> Weights:
        """A crash point is at least m, from 1.01 to the cap, with probability 0.99 / m, and never above the cap.

        A round may have begun under an economy with another cap.
        """
        if cap_m100 not in self._weights:
            whole = lcm(*self._starts)
            reached = [
                whole if start == 100 else 99 * whole // start if start <= cap_m100 else 0
                for start in self._starts
            ]
            bands = [low - high for low, high in pairwise([*reached, 0])]
            self._weights[cap_m100] = tuple(bands[::-1])
        return self._weights[cap_m100]


def observed(economy: CompiledEconomy, game: str, banner: str | None) -> Observed:
    """What counts a game, or one banner of the gacha, under an economy."""
    if banner is not None:
        return ObservedPulls(economy.banners[banner].banner)
    if game == "slot":
        return ObservedSpins(economy.economy.slot)
    if game == "crash":
        return ObservedCrashes(100 * economy.economy.crash.max_multiplier)
    return ObservedPlays()


def _band(starts: Sequence[int], value: int) -> int:
    return bisect_right(starts, value) - 1


def _crash_band(starts: Sequence[int], band: int) -> str:
    if starts[band] == 100:
        return "lost at once"
    low = f"{starts[band] / 100:.2f}×"
    return f"{low} and more" if band == len(starts) - 1 else f"{low} to below {starts[band + 1] / 100:.2f}×"
