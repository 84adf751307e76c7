"""Rock, paper, scissors in plain Python."""

import math
import struct
from typing import NamedTuple

MOVES = ("ROCK", "PAPER", "SCISSORS")
BEATS = {"ROCK": "SCISSORS", "SCISSORS": "PAPER", "PAPER": "ROCK"}

_PLAYED = struct.Struct(">BBBQ")
_OUTCOMES = ("DRAW", "WIN", "LOSE")


class Played(NamedTuple):
    """A game. `result` is that of the event."""

    server_move: str
    outcome: str
    payout: int
    result: bytes


def play(move: str, bet: int, win_percent: int, u: float, forced: str = "") -> Played:
    """What comes of the roll `u`, or of an outcome that is forced."""
    server_move = MOVES[math.floor(3 * u)]
    if forced:
        (server_move,) = (each for each in MOVES if _outcome(move, each) == forced)
    outcome = _outcome(move, server_move)
    payout = {"WIN": bet * win_percent // 100, "DRAW": bet, "LOSE": 0}[outcome]
    result = _PLAYED.pack(1, MOVES.index(server_move), _OUTCOMES.index(outcome), payout)
    return Played(server_move, outcome, payout, result)


def _outcome(move: str, server_move: str) -> str:
    if move == server_move:
        return "DRAW"
    return "WIN" if BEATS[move] == server_move else "LOSE"
