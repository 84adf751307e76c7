"""What every game has to know of sessions."""

from typing import Final

from croupier_schemas.records import SESSION_BITS

IDLE_MS: Final = 3_600_000
"""A session without a round for so long is over."""


def session_bit(game: str) -> int:
    """The bit of an open session of the game in a player's record; 0 for what is no game."""
    return SESSION_BITS.get(game, 0)
