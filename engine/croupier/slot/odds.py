"""The odds of the slot machine as they are disclosed to players."""

from typing import Final

from croupier.probability import exact
from croupier.slot.machine import LINES, analyse
from croupier_schemas.economy import Slot
from croupier_schemas.slot import SlotOdds, SlotRules, SlotWinOdds

_RULES: Final = SlotRules(
    stops="Roll i, from 0, is u of reel i: the reel stops at s = floor(u * length of the reel). Its rows 0, 1 and "
    "2, from the top, show the symbols at s, s + 1 and s + 2, where the first symbol follows the last.",
    line="Each line takes one row of every reel, as listed in lines. It pays for three equal symbols or, where "
    "the third differs, for the first two from the left, if wins says so.",
    payout="payout = bet * P / 100, P being the sum of percent over the lines that pay. The bet is that of all "
    "five lines together, and a multiple of 100.",
    rtp="The average payout over the bet, and the share of spins that pay anything, counted over every "
    "combination of stops. The probability of a win is that of one line, the same for each of them.",
    precision="Rolls are multiples of 2^-52. The stated probabilities differ from those of the rolls by less than "
    "10^-13, and rtp from theirs by less than 10^-9.",
)


def disclose(slot: Slot) -> SlotOdds:
    """The disclosed table of the slot machine, which depends on this section of the economy alone."""
    analysis = analyse(slot)
    return SlotOdds(
        enabled=slot.enabled,
        reels=slot.reels,
        lines=LINES,
        wins=tuple(
            SlotWinOdds(
                symbol=each.symbol,
                count=each.count,
                percent=each.percent,
                probability=exact(each.probability),
            )
            for each in analysis.line_odds
        ),
        rtp=exact(analysis.rtp),
        hit_frequency=exact(analysis.hit_frequency),
        percent_max=analysis.percent_max,
        rules=_RULES,
    )
