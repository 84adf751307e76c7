"""What an economy gives, found by playing it: pulls by one player, and rounds of the other games.

The draws are those of `croupier.gacha.draw`. The rolls come from Python's generator of pseudo-random numbers, so that a
simulation with the same seed gives the same figures, and are as fine as those of the scripts (53 bits, not 52).
"""

import math
import random
from collections import Counter
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Final

import msgspec

from croupier.crash.odds import rtp as crash_rtp
from croupier.crash.rounds import crash_point_m100
from croupier.economy.banner import stock_of, weight_of
from croupier.gacha.draw import DrawState, draw
from croupier.gacha.long_run import long_run_rates
from croupier.probability import exact
from croupier.rps.odds import rtp as rps_rtp
from croupier.slot.machine import analyse, payout, wins
from croupier_schemas.economy import PPM, RARITIES, Banner, Crash, Economy, Game, Rarity, Rps, Slot
from croupier_schemas.odds import Probability

ROUNDS_MAX: Final = 10_000_000

CRASH_TARGET_M100: Final = 200
"""Where the simulated player of crash cashes out, in hundredths; every target has the same return."""

_ROUNDS_BETWEEN_REPORTS: Final = 10_000

Progress = Callable[[str, int], None]
"""Is told now and then what is simulated, and how many rounds of it are done."""


class RarityRun(msgspec.Struct, frozen=True, kw_only=True):
    """One rarity. `count` of all pulls delivered it, which is `share` of them.

    `disclosed` is its weight over a million, before any pity. `long_run` is its computed share of all draws over a long
    time, pity included and stock supposed unlimited; None where `long_run_rates` has none.
    """

    rarity: Rarity
    count: int
    share: float
    disclosed: float
    long_run: float | None


class BannerRun(msgspec.Struct, frozen=True, kw_only=True):
    """One banner, pulled one at a time by a player without history, from new pools.

    `downgraded` pulls found an empty pool. The two costs are tokens per Legendary: spent for each one delivered, and
    expected in the long run; None where none was delivered, or the long run is not known or has none.
    """

    banner: str
    pulls: int
    rarities: tuple[RarityRun, ...]
    downgraded: int
    tokens_per_legendary: float | None
    tokens_per_legendary_long_run: float | None


class GameRun(msgspec.Struct, frozen=True, kw_only=True):
    """One of the other games, at its largest bet. `rtp` is the exact average payout over the bet, `observed` that of
    the rounds."""

    game: Game
    rounds: int
    rtp: Probability
    observed: float


def simulate_banner(name: str, banner: Banner, pulls: int, seed: str, progress: Progress) -> BannerRun:
    """Pull `pulls` times; a million take about 5 seconds."""
    chance = _chance(seed, f"gacha.{name}")
    limited = {rarity: left for rarity in RARITIES if (left := stock_of(banner, rarity)) is not None}
    state = DrawState(dict.fromkeys(RARITIES[:3], 0), False, limited)
    counts: Counter[Rarity] = Counter()
    downgraded = 0
    for _ in _reported(pulls, name, progress):
        drawn = draw(banner, state, None, chance.random(), chance.random())
        counts[drawn.rarity] += 1
        downgraded += drawn.downgraded_from is not None
    rates = long_run_rates(banner)
    cost = banner.cost_tokens.one
    return BannerRun(
        banner=name,
        pulls=pulls,
        rarities=tuple(
            RarityRun(
                rarity=rarity,
                count=counts[rarity],
                share=counts[rarity] / pulls,
                disclosed=weight_of(banner, rarity) / PPM,
                long_run=rates[index] if rates else None,
            )
            for index, rarity in enumerate(RARITIES)
        ),
        downgraded=downgraded,
        tokens_per_legendary=pulls * cost / counts["Legendary"] if counts["Legendary"] else None,
        tokens_per_legendary_long_run=cost / rates[0] if rates and rates[0] else None,
    )


def simulate_games(economy: Economy, rounds: int, seed: str, progress: Progress) -> Iterator[GameRun]:
    """Play `rounds` rounds of crash, slot and rps each."""
    crash, slot, rps = economy.crash, economy.slot, economy.rps
    plays: tuple[tuple[Game, int, Fraction, Callable[[random.Random], int]], ...] = (
        ("crash", crash.bet_max, crash_rtp(CRASH_TARGET_M100), lambda chance: _crash_payout(crash, chance)),
        ("slot", slot.bet_max, analyse(slot).rtp, lambda chance: _slot_payout(slot, chance)),
        ("rps", rps.bet_max, rps_rtp(rps), lambda chance: _rps_payout(rps, chance)),
    )
    for game, bet, rtp, play in plays:
        chance = _chance(seed, game)
        paid = sum(play(chance) for _ in _reported(rounds, game, progress))
        yield GameRun(game=game, rounds=rounds, rtp=exact(rtp), observed=paid / (rounds * bet))


def _crash_payout(crash: Crash, chance: random.Random) -> int:
    crash_m100 = crash_point_m100(chance.random(), 100 * crash.max_multiplier)
    return crash.bet_max * CRASH_TARGET_M100 // 100 if crash_m100 >= CRASH_TARGET_M100 else 0


def _slot_payout(slot: Slot, chance: random.Random) -> int:
    stops = [math.floor(chance.random() * len(reel)) for reel in slot.reels]
    return payout(slot.bet_max, wins(slot, stops))


def _rps_payout(rps: Rps, chance: random.Random) -> int:
    """Of a player who always plays rock: the server's rock is a draw, its scissors lose."""
    server_move = math.floor(3 * chance.random())
    return (rps.bet_max, 0, rps.bet_max * rps.win_percent // 100)[server_move]


def _chance(seed: str, name: str) -> random.Random:
    """Each banner and game has rolls of its own, whatever else is simulated."""
    return random.Random(f"{seed}\n{name}")  # noqa: S311  # repeatable on purpose; nobody plays for it


def _reported(rounds: int, name: str, progress: Progress) -> Iterator[int]:
    for done in range(rounds):
        if done % _ROUNDS_BETWEEN_REPORTS == 0:
            progress(name, done)
        yield done
    progress(name, rounds)
