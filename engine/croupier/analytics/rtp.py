"""What players get back of what they bet, against what the economy discloses."""

import asyncio
import math
from typing import Any, Final

from croupier.analytics.asking import Period, as_of, ask
from croupier.command import Caller
from croupier.crash import odds as crash
from croupier.fairness.queries import economy_of_event
from croupier.query import Query, Sources
from croupier.rps import odds as rps
from croupier.slot.machine import analyse
from croupier_schemas.analytics import GameRtp, RtpQuery, RtpReply
from croupier_schemas.economy import Economy

# The bet of a crash round is in the event that began it, and follows from the one that ends it: payout less profit.
# Rounds of rock, paper, scissors that a setting for tests decided say nothing of the odds.
_RTP: Final = """
SELECT game, economy, count() AS rounds, sum(bet) AS staked, sum(win) AS paid,
    sum(toFloat64(bet) * bet) AS bet_bet, sum(toFloat64(bet) * win) AS bet_win, sum(toFloat64(win) * win) AS win_win
FROM (
    SELECT game, economy, toInt64(paid) AS win,
        if(event_type = 'crash.settled', win - JSONExtractInt(result, 'profit'), toInt64(staked)) AS bet
    FROM game_events FINAL
    WHERE created_at >= fromUnixTimestamp64Milli({since_ms:Int64})
        AND event_type IN ('crash.settled', 'slot.spun', 'rps.played')
        AND NOT JSONExtractBool(result, 'deterministic')
)
WHERE bet > 0
GROUP BY game, economy
ORDER BY game, staked DESC, economy
"""

_Z_95: Final = 1.959964
"""The standard normal distribution lies within this of 0 with a probability of 0.95."""


async def rtp(sources: Sources, _caller: Caller, params: RtpQuery) -> RtpReply:
    """The return to players by game and version of the economy. Raises CroupierError NOT_READY."""
    period = Period.of(sources, params.days)
    newest, rows = await asyncio.gather(as_of(sources), ask(sources, _RTP, since_ms=period.since_ms))
    items = [_game(row, (await economy_of_event(sources, row["economy"])).economy) for row in rows]
    return RtpReply(period.since, len(items), items, newest)


def _game(row: dict[str, Any], economy: Economy) -> GameRtp:
    ratio = row["paid"] / row["staked"]
    margin = _margin(row, ratio)
    return GameRtp(
        game=row["game"],
        economy=row["economy"],
        rounds=row["rounds"],
        staked=row["staked"],
        paid=row["paid"],
        rtp=ratio,
        low=None if margin is None else max(0.0, ratio - margin),
        high=None if margin is None else ratio + margin,
        disclosed=_disclosed(row["game"], economy),
    )


def _margin(row: dict[str, Any], ratio: float) -> float | None:
    """Half the width of the interval, by the variance of a ratio estimator: sum of (win - ratio * bet)^2, over the
    square of all bets (Cochran, Sampling Techniques, section 6.3)."""
    rounds = row["rounds"]
    if rounds < 2:
        return None
    squares: float = row["win_win"] - 2 * ratio * row["bet_win"] + ratio**2 * row["bet_bet"]
    margin: float = _Z_95 * math.sqrt(max(0.0, squares) * rounds / (rounds - 1)) / row["staked"]
    return margin


def _disclosed(game: str, economy: Economy) -> float:
    if game == "crash":
        return float(crash.rtp(crash.TARGET_MIN_M100))
    return float(analyse(economy.slot).rtp if game == "slot" else rps.rtp(economy.rps))


RTP: Final = Query(
    name="analytics.rtp",
    path="/api/analytics/rtp",
    summary="What players get back of what they bet, by game, against the disclosed return",
    params=RtpQuery,
    reply=RtpReply,
    answer=rtp,
    access="admin",
)
