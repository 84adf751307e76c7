"""Requests and replies of the slot machine."""

from typing import Annotated

import msgspec
from msgspec import Meta

from croupier_schemas.common import Balance, Receipt
from croupier_schemas.economy import Amount
from croupier_schemas.odds import Probability


class SlotWinOdds(msgspec.Struct, frozen=True, kw_only=True):
    """One way in which a line pays: `count` equal symbols from the left, worth `percent` of the whole bet."""

    symbol: str
    count: int
    percent: int
    probability: Annotated[Probability, Meta(description="That one line, whichever it is, pays so in a spin")]


class SlotRules(msgspec.Struct, frozen=True, kw_only=True):
    """How the numbers are used, in sentences."""

    stops: str
    line: str
    payout: str
    rtp: str
    precision: str


class SlotOdds(msgspec.Struct, frozen=True, kw_only=True):
    """The disclosed table of the slot machine."""

    enabled: bool
    reels: Annotated[tuple[tuple[str, ...], ...], Meta(description="The strip of each reel, left to right")]
    lines: Annotated[tuple[tuple[int, int, int], ...], Meta(description="The row of each reel on each line")]
    wins: Annotated[tuple[SlotWinOdds, ...], Meta(description="The highest payment first")]
    rtp: Annotated[Probability, Meta(description="Average payout over the bet, exact")]
    hit_frequency: Annotated[Probability, Meta(description="Share of spins that pay anything, exact")]
    percent_max: Annotated[int, Meta(description="Payout of the best spin, in percent of the bet")]
    rules: SlotRules


class SlotOddsReply(msgspec.Struct, frozen=True):
    """The exact table of the slot machine, computed from the reels and the paytable that the spin uses."""

    economy: Annotated[str, Meta(description="Version of the economy that the table belongs to")]
    in_force: bool
    odds: SlotOdds


class SlotSpin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Spin the slot machine once."""

    bet_amount: Annotated[Amount, Meta(description="Tokens, for all five lines together")]


class SlotLine(msgspec.Struct, frozen=True):
    """A line that pays."""

    line: Annotated[int, Meta(description="Its place, from 0, in the lines of the disclosed odds")]
    symbol: str
    count: Annotated[int, Meta(description="Equal symbols from the left, 2 or 3")]
    payout: Annotated[int, Meta(description="Tokens")]


class SlotSpinReply(msgspec.Struct, frozen=True):
    """Where the reels stopped, and what that pays."""

    reels: Annotated[
        tuple[tuple[str, ...], ...],
        Meta(description="What each reel shows, left to right, from the top down"),
    ]
    lines: Annotated[list[SlotLine], Meta(description="The lines that pay")]
    payout: Annotated[int, Meta(description="Tokens paid, all lines together")]
    balance: Annotated[Balance, Meta(description="Tokens afterwards")]
    receipt: Receipt
