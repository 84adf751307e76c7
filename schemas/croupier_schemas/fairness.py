"""Requests and replies of provable fairness."""

import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from croupier_schemas.common import Receipt
from croupier_schemas.economy import Banner, Rarity
from croupier_schemas.gacha import Pity

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


class ReceiptReply(msgspec.Struct, frozen=True):
    """Everything that a stranger needs to recompute a pull; the steps are in `docs/fairness.md`.

    `server_seed` is null until the player rotates it.
    """

    event_id: str
    seq: int
    time: datetime.datetime
    type: str
    economy: str
    rules: Annotated[int, Meta(description="Version of the scripts' semantics")]
    banner: str
    table: Annotated[Banner, Meta(description="The banner in that version of the economy")]
    server_seed: str | None
    commitment: str
    client_seed: str
    nonce: int
    state_before: Pity
    draws: list[DrawRecord]
