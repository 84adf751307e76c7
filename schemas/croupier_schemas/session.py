"""Requests and replies of sessions, which sum up what a player does in one game."""

import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from croupier_schemas.common import Receipt
from croupier_schemas.economy import Game

SessionId = Annotated[str, Meta(max_length=64, description="As `session/start` answers it")]


class SessionStart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Open a session in a game, or find the one that is open."""

    game_type: Game


class SessionStartReply(msgspec.Struct, frozen=True):
    """The open session."""

    session_id: str
    game_type: Game
    started_at: datetime.datetime
    receipt: Annotated[Receipt | None, Meta(description="null where the session was open already")]


class SessionEnd(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """End a session; ending it again repeats the result."""

    session_id: SessionId


class SessionResult(msgspec.Struct, frozen=True):
    """What was played in a session. Amounts are in tokens; pulls paid in gems are rounds without a bet."""

    duration: Annotated[
        int, Meta(description="Seconds to the end; to the last round where an idle hour ended it")
    ]
    rounds: int
    total_bet: int
    total_win: int
    net: Annotated[int, Meta(description="total_win - total_bet")]
    roi: Annotated[float, Meta(description="net / total_bet, 4 decimals; 0 when nothing was bet")]
    game_result: Annotated[Literal["WIN", "LOSE", "DRAW"], Meta(description="The sign of net")]


class SessionEndReply(msgspec.Struct, frozen=True):
    """A session that is over."""

    session_id: str
    game_type: Game
    result_data: SessionResult
    receipt: Annotated[Receipt | None, Meta(description="null where the session was over already")]
