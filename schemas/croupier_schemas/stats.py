"""What players' rounds come to: requests and replies."""

import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from croupier_schemas.common import UserId
from croupier_schemas.economy import Game

AsOf = Annotated[
    datetime.datetime, Meta(description="Time of the last event that is counted, if it was this player's")
]


class GameStatsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which game. The gacha's statistics are at an address of their own, from the live state."""

    game_type: Literal["crash", "slot", "rps"]


class UserStatsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose statistics: one's own, or for admins anybody's."""

    user_id: UserId


class RoundStats(msgspec.Struct, frozen=True, kw_only=True):
    """What some rounds come to, in tokens. A round of crash counts when it is over; a pull paid in gems has no bet."""

    rounds: int
    wins: Annotated[int, Meta(description="Rounds that paid more than their bet")]
    losses: Annotated[int, Meta(description="Rounds that paid less than their bet")]
    total_bet: int
    total_win: Annotated[int, Meta(description="Tokens paid, bets that came back included")]
    net: Annotated[int, Meta(description="total_win - total_bet")]
    biggest_win: Annotated[int, Meta(description="Largest payout of one round")]
    last_played_at: datetime.datetime | None


class GameStatsReply(RoundStats, frozen=True, kw_only=True):
    """The caller's rounds of one game."""

    game_type: Game
    as_of: AsOf


class UserStatsReply(RoundStats, frozen=True, kw_only=True):
    """A player's rounds of all games together, and of each game."""

    user_id: UserId
    games: dict[Game, RoundStats]
    as_of: AsOf
