"""Requests and replies of provable fairness."""

import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from croupier_schemas.common import Receipt
from croupier_schemas.crash import GameId, Outcome
from croupier_schemas.economy import Banner, Rarity, Rps, Slot
from croupier_schemas.gacha import Pity
from croupier_schemas.rps import Move
from croupier_schemas.slot import SlotLine

ClientSeed = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,32}\Z", description="1 to 32 of A-Z a-z 0-9 _ -")]


class FairnessReply(msgspec.Struct, frozen=True):
    """A player's commitment: the server seed in force is fixed, and shown once it is rotated away."""

    commitment: Annotated[str, Meta(description="SHA-256 of the server seed, in hexadecimal")]
    client_seed: str
    next_nonce: int
    generation: Annotated[int, Meta(description="Generation of the server seed")]


class FairnessRotate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Reveal the server seed and commit to a new one; optionally with a client seed of one's own."""

    client_seed: ClientSeed | None = None


class RevealedSeed(msgspec.Struct, frozen=True):
    """A seed that is no longer in use: everything drawn with it can be recomputed."""

    server_seed: str
    commitment: str
    client_seed: str
    generation: int
    last_nonce: int


class FairnessRotateReply(msgspec.Struct, frozen=True):
    """The revealed seed and the new commitment."""

    revealed: RevealedSeed
    commitment: str
    client_seed: str
    next_nonce: int
    generation: int
    receipt: Receipt


class DrawRecord(msgspec.Struct, frozen=True):
    """One draw as the event has it. `stock_seen` is the stock of the drawn rarity before it; null: unlimited."""

    rarity: Rarity
    item_id: str
    near_miss: bool
    hard_pity: bool
    guaranteed: bool
    downgraded_from: Rarity | None
    stock_seen: int | None


class ReceiptCommon(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """What every receipt has. `type` is that of the event, and says what else there is.

    `server_seed` is null until the player rotates it.
    """

    event_id: str
    seq: int
    time: datetime.datetime
    economy: Annotated[
        str, Meta(description="Version of the economy in force: SHA-256 of its canonical form")
    ]
    rules: Annotated[int, Meta(description="Version of the scripts' semantics")]
    server_seed: str | None
    commitment: str
    client_seed: str
    nonce: int


class GachaReceipt(ReceiptCommon, frozen=True, kw_only=True, tag="gacha.pulled"):
    """A pull."""

    banner: str
    table: Annotated[Banner, Meta(description="The banner in that version of the economy")]
    state_before: Pity
    draws: list[DrawRecord]


class SlotReceipt(ReceiptCommon, frozen=True, kw_only=True, tag="slot.spun"):
    """A spin of the slot machine."""

    table: Annotated[Slot, Meta(description="The slot machine in that version of the economy")]
    bet: Annotated[int, Meta(description="Tokens, for all five lines together")]
    stops: Annotated[tuple[int, int, int], Meta(description="Where the reels stopped, left to right, from 0")]
    lines: Annotated[list[SlotLine], Meta(description="The lines that pay")]
    payout: Annotated[int, Meta(description="Tokens")]


class RpsReceipt(ReceiptCommon, frozen=True, kw_only=True, tag="rps.played"):
    """A game of rock, paper, scissors."""

    table: Annotated[Rps, Meta(description="The game's section in that version of the economy")]
    bet: Annotated[int, Meta(description="Tokens")]
    player_move: Move
    deterministic: Annotated[bool, Meta(description="Decided by a setting for tests, not by chance")]
    server_move: Move
    outcome: Annotated[Literal["WIN", "LOSE", "DRAW"], Meta(description="As the player sees it")]
    payout: Annotated[int, Meta(description="Tokens")]


class CrashRound(ReceiptCommon, frozen=True, kw_only=True):
    """What bet and settlement of a round of crash have in common. Multipliers are in hundredths: 250 is 2.50."""

    game_id: GameId
    bet: Annotated[int, Meta(description="Tokens")]
    target_m100: Annotated[
        int, Meta(description="Where the bet is paid by itself: auto cash-out, else the cap")
    ]
    cap_m100: Annotated[int, Meta(description="Largest multiplier")]
    growth_ppm: Annotated[int, Meta(description="Rate of growth per second, in parts per million")]
    started_at_ms: Annotated[int, Meta(description="Time of the bet, Unix time in ms")]


class CrashBetReceipt(CrashRound, frozen=True, kw_only=True, tag="crash.bet_placed"):
    """A bet. Its nonce fixes the crash point, which nobody can work out before the server seed is revealed."""


class CrashSettledReceipt(CrashRound, frozen=True, kw_only=True, tag="crash.settled"):
    """The end of a round. `nonce` is that of the bet."""

    elapsed_ms: Annotated[int, Meta(description="From the bet to the settlement")]
    crash_m100: Annotated[
        int | None,
        Meta(
            description="Where the round crashed, or would have; null for one cashed out until the seed is revealed"
        ),
    ]
    outcome: Outcome
    paid_m100: Annotated[
        int | None, Meta(description="The multiplier paid; null where the round crashed first")
    ]
    payout: Annotated[int, Meta(description="Tokens")]


ReceiptReply = GachaReceipt | SlotReceipt | RpsReceipt | CrashBetReceipt | CrashSettledReceipt
"""Everything that a stranger needs to recompute an outcome; the steps are in `docs/fairness.md`."""
