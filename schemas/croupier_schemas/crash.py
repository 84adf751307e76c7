"""Requests and replies of the crash game."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from croupier_schemas.common import Balance, Receipt
from croupier_schemas.economy import Amount
from croupier_schemas.odds import Probability

Multiplier = Annotated[float, Meta(ge=0, le=1_000, description="Two decimals")]
Outcome = Literal["cashed", "auto", "crashed"]
GameId = Annotated[str, Meta(description="Id of the round, 32 hexadecimal digits")]


class CrashReach(msgspec.Struct, frozen=True, kw_only=True):
    """How likely a round reaches a multiplier, which is given with two decimals."""

    multiplier: str
    probability: Probability


class CrashRules(msgspec.Struct, frozen=True, kw_only=True):
    """How the numbers are used, in sentences."""

    crash_point: str
    growth: str
    payout: str
    rtp: str
    precision: str


class CrashOdds(msgspec.Struct, frozen=True, kw_only=True):
    """The disclosed odds of the crash game."""

    enabled: bool
    growth_ppm: Annotated[int, Meta(description="Rate of growth per second, in parts per million")]
    max_multiplier: int
    reaches: Annotated[
        tuple[CrashReach, ...], Meta(description="0.99 / m for some multipliers, the last the maximum")
    ]
    lost_at_once: Annotated[Probability, Meta(description="That a round crashes at 1.00")]
    rtp: Annotated[
        Probability, Meta(description="Average payout over the bet, the same for each target from 1.01 on")
    ]
    rules: CrashRules


class CrashOddsReply(msgspec.Struct, frozen=True):
    """The exact odds of the crash game."""

    economy: Annotated[str, Meta(description="Version of the economy that the odds belong to")]
    in_force: bool
    odds: CrashOdds


class CrashBet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Place a bet, which begins a round. One round per player is open at a time."""

    bet_amount: Amount
    auto_cashout: Annotated[
        float | None,
        Meta(
            description="Multiplier at which the bet is paid by itself: 1.01 to the economy's max_multiplier, with at "
            "most two decimals; null: at max_multiplier"
        ),
    ] = None


class CrashBetReply(msgspec.Struct, frozen=True):
    """The round that has begun. `commitment` is that of the server seed, which with the nonce fixes its crash point."""

    game_id: GameId
    commitment: Annotated[str, Meta(description="SHA-256 of the server seed, in hexadecimal")]
    started_at_ms: Annotated[int, Meta(description="Unix time in ms, by the server's clock")]
    balance: Annotated[Balance, Meta(description="Tokens afterwards")]
    receipt: Receipt


class CrashCashout(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Cash an open round out."""

    game_id: Annotated[str, Meta(max_length=64, description="Id of the round, as the bet's reply gave it")]


class CrashCashoutReply(msgspec.Struct, frozen=True):
    """How the round ended. What came too late for a cash-out says what the round came to without it."""

    game_id: GameId
    multiplier: Annotated[
        Multiplier, Meta(description="The multiplier paid; 0 where the round crashed first")
    ]
    payout: Annotated[Balance, Meta(description="Tokens paid")]
    profit: Annotated[int, Meta(description="Payout less bet, in tokens")]
    balance: Annotated[Balance, Meta(description="Tokens by now")]
    outcome: Outcome
    crash_point: Annotated[
        Multiplier | None,
        Meta(description="Where the round crashed, or would have; null after a cash-out of one's own"),
    ]
    receipt: Annotated[
        Receipt | None,
        Meta(description="null where the server had settled the round before this was asked for"),
    ]


class CrashSettle(msgspec.Struct, frozen=True):
    """Settle a player's round if it is over: what the engine tells itself, with no route."""

    game_id: GameId


class CrashSettleReply(msgspec.Struct, frozen=True):
    """Whether the round was over, and so was settled."""

    settled: bool


class CrashSession(msgspec.Struct, frozen=True):
    """An open round, as its player may see it."""

    game_id: GameId
    bet_amount: Amount
    auto_cashout: Annotated[float | None, Meta(description="null: paid at max_multiplier")]
    started_at_ms: Annotated[int, Meta(description="Unix time in ms, by the server's clock")]


class CrashCurrentReply(msgspec.Struct, frozen=True):
    """The caller's open round. `available` says whether there is one."""

    available: bool
    session: CrashSession | None
