"""From a roll to a game of rock, paper, scissors."""

import math
from collections.abc import Iterator
from typing import Final

from croupier.fairness.rolls import rolls
from croupier_schemas.fairness import RpsReceipt
from croupier_schemas.rps import Move

_MOVES: Final[tuple[Move, Move, Move]] = ("ROCK", "PAPER", "SCISSORS")
_OUTCOMES: Final = ("DRAW", "WIN", "LOSE")


def problems(receipt: RpsReceipt, server_seed: str) -> Iterator[str]:
    """What is wrong with a game, one sentence for each. Of one that was forced, the server's move may be any."""
    table, bet = receipt.table, receipt.bet
    if bet and (not table.bet_min <= bet <= table.bet_max or bet % table.bet_step):
        yield f"bet {bet} is none that the table allows"
    rolled = _rolled(receipt, server_seed)
    if not receipt.deterministic and receipt.server_move != rolled:
        yield f"server_move is {receipt.server_move!r}, and recomputed it is {rolled!r}"
    # Each move beats the one before it, and ROCK the last.
    ahead = (_MOVES.index(receipt.player_move) - _MOVES.index(receipt.server_move)) % 3
    outcome = _OUTCOMES[ahead]
    if receipt.outcome != outcome:
        yield f"outcome is {receipt.outcome!r}, and recomputed it is {outcome!r}"
    payout = {"WIN": bet * table.win_percent // 100, "DRAW": bet, "LOSE": 0}[outcome]
    if receipt.payout != payout:
        yield f"payout is {receipt.payout}, and recomputed it is {payout}"


def remarks(receipt: RpsReceipt) -> Iterator[str]:
    """For a game that was forced: that it was, and, once the server seed is known, the move of its roll."""
    if receipt.deterministic:
        yield "the outcome was forced by a setting for tests, and is not random"
        if receipt.server_seed is not None:
            yield f"by its roll the server's move is {_rolled(receipt, receipt.server_seed)}"


def _rolled(receipt: RpsReceipt, server_seed: str) -> Move:
    (u,) = rolls(server_seed, receipt.client_seed, receipt.nonce, 1)
    return _MOVES[math.floor(3 * u)]
