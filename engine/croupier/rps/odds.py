"""The odds of rock, paper, scissors as they are disclosed to players."""

from fractions import Fraction
from typing import Final

from croupier.probability import exact
from croupier_schemas.economy import Rps
from croupier_schemas.rps import RpsOdds, RpsRules

_EACH_OUTCOME: Final = Fraction(1, 3)

_RULES: Final = RpsRules(
    server_move="Roll 0 is u: the server's move is floor(3 * u), 0 for rock, 1 for paper, 2 for scissors. So "
    "whatever the player's move, win, draw and loss are equally likely.",
    payout="A win pays floor(bet * win_percent / 100), a draw gives the bet back, a loss pays nothing.",
    rtp="The average payout over the bet: (win_percent / 100 + 1) / 3. Where bet * win_percent is no multiple of "
    "100, a win loses the fraction of a token that is cut off.",
    deterministic="A reply with deterministic true was decided by a setting for tests, not by these odds.",
    precision="Rolls are multiples of 2^-52. The stated fractions differ from the probability of the rolls "
    "by less than 10^-14.",
)


def rtp(rps: Rps) -> Fraction:
    """Average payout over the bet, exact for every bet that `win_percent` pays in whole tokens."""
    return _EACH_OUTCOME * (Fraction(rps.win_percent, 100) + 1)


def disclose(rps: Rps) -> RpsOdds:
    """The disclosed odds, which depend on this section of the economy alone."""
    return RpsOdds(
        enabled=rps.enabled,
        win=exact(_EACH_OUTCOME),
        draw=exact(_EACH_OUTCOME),
        lose=exact(_EACH_OUTCOME),
        win_percent=rps.win_percent,
        rtp=exact(rtp(rps)),
        rules=_RULES,
    )
