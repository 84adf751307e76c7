"""What every game has to know of sessions."""

from typing import Final

from croupier_schemas.economy import GAMES

IDLE_MS: Final = 3_600_000
"""A session without a round for so long is over."""

_BITS: Final[dict[str, int]] = {game: 1 << index for index, game in enumerate(GAMES)}


def session_bit(game: str) -> int:
    """The bit of an open session of the game in a player's record; 0 for what is no game."""
    return _BITS.get(game, 0)
