"""Requests and replies of rock, paper, scissors."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from croupier_schemas.common import Balance, Receipt
from croupier_schemas.economy import Amount
from croupier_schemas.odds import Probability

Move = Literal["ROCK", "PAPER", "SCISSORS"]


class RpsRules(msgspec.Struct, frozen=True, kw_only=True):
    """How the numbers are used, in sentences."""

    server_move: str
    payout: str
    rtp: str
    deterministic: str
    precision: str


class RpsOdds(msgspec.Struct, frozen=True, kw_only=True):
    """The disclosed odds of rock, paper, scissors, the same for each move of the player."""

    enabled: bool
    win: Probability
    draw: Probability
    lose: Probability
    win_percent: Annotated[int, Meta(description="What a win pays, in percent of the bet")]
    rtp: Annotated[Probability, Meta(description="Average payout over the bet, exact")]
    rules: RpsRules


class RpsOddsReply(msgspec.Struct, frozen=True):
    """The exact odds of rock, paper, scissors."""

    economy: Annotated[str, Meta(description="Version of the economy that the odds belong to")]
    in_force: bool
    odds: RpsOdds


class RpsPlay(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Play rock, paper, scissors once."""

    player_move: Move
    bet_amount: Annotated[Amount, Meta(description="Tokens; 0 plays for nothing")] = 0


class RpsPlayReply(msgspec.Struct, frozen=True):
    """The two moves, and what came of them."""

    player_move: Move
    server_move: Move
    outcome: Annotated[Literal["WIN", "LOSE", "DRAW"], Meta(description="As the player sees it")]
    deterministic: Annotated[bool, Meta(description="Decided by a setting for tests, not by chance")]
    payout: Annotated[int, Meta(description="Tokens paid")]
    balance: Annotated[Balance, Meta(description="Tokens afterwards")]
    receipt: Receipt
