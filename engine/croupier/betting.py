"""What the commands of all games ask of the economy before their scripts run."""

from typing import Protocol

from croupier.command import Context
from croupier.errors import CroupierError
from croupier_schemas.economy import BALANCE_MAX, Game

RETRY_S = 60
"""When to ask again for what an operator has switched off."""


class BetRange(Protocol):
    """The bets that a game takes, in tokens: from `bet_min` to `bet_max`, multiples of `bet_step`."""

    @property
    def bet_min(self) -> int: ...
    @property
    def bet_max(self) -> int: ...
    @property
    def bet_step(self) -> int: ...


def require_open(context: Context, game: Game) -> None:
    """Raises CroupierError MAINTENANCE or GAME_DISABLED where the economy has the games, or this one, switched off."""
    economy = context.economy.economy
    if economy.maintenance:
        raise CroupierError("MAINTENANCE", retry_after_s=RETRY_S)
    if not getattr(economy, game).enabled:
        raise CroupierError("GAME_DISABLED", f"{game} is switched off", retry_after_s=RETRY_S)


def require_bet(amount: int, allowed: BetRange) -> None:
    """Raises CroupierError BET_OUT_OF_RANGE."""
    if not allowed.bet_min <= amount <= allowed.bet_max or amount % allowed.bet_step:
        raise CroupierError(
            "BET_OUT_OF_RANGE", min=allowed.bet_min, max=allowed.bet_max, step=allowed.bet_step
        )


class BetTerms(Protocol):
    """The terms of a bet, in tokens."""

    @property
    def bet(self) -> int: ...


def insufficient(_context: Context, terms: BetTerms, values: list[int]) -> dict[str, object]:
    """The fields of INSUFFICIENT_BALANCE for a bet in tokens."""
    return {"balance": values[0], "required": terms.bet, "currency": "tokens"}


def balance_cap(_context: Context, _terms: object, values: list[int]) -> dict[str, object]:
    """The fields of BALANCE_CAP."""
    return {"balance": values[0], "max": BALANCE_MAX}
