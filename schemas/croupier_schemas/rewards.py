"""Requests and replies of rewards: tokens and gems that admins grant to players."""

import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from croupier_schemas.common import Balance, UserId
from croupier_schemas.economy import BALANCE_MAX
from croupier_schemas.wallet import Cursor

RewardType = Literal["TOKENS", "GEMS"]
RewardAmount = Annotated[int, Meta(ge=1, le=BALANCE_MAX)]
RewardKey = Annotated[
    str,
    Meta(
        pattern=r"^[!-~]{1,200}\Z",
        description="1 to 200 visible ASCII characters. A player is granted something under a key at most once, for "
        "ever. It goes before the header `Idempotency-Key`, which stands for it where it is missing",
    ),
]
SourceDescription = Annotated[
    str,
    Meta(
        pattern=r"^[^\x00-\x1f\x7f]*\Z",
        min_length=1,
        max_length=200,
        description="What the reward is for; no control characters",
    ),
]

GRANTS_MAX = 1_000
"""Items of one `RewardsGrantBulk`."""


class RewardsDistribute(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Grant a reward to one player. Without any key a repeated request is another grant."""

    user_id: UserId
    reward_type: RewardType
    amount: RewardAmount
    source_description: SourceDescription
    key: RewardKey | None = None


class RewardReceipt(msgspec.Struct, frozen=True):
    """Where the grant stands in the event log."""

    event_id: Annotated[str, Meta(description="partition-epoch-seq", examples=["0-1-42"])]
    seq: Annotated[int, Meta(description="Position in the event log, gapless within partition and epoch")]
    economy: Annotated[str, Meta(description="Version of the economy: SHA-256 of its canonical form")]


class RewardsDistributeReply(msgspec.Struct, frozen=True):
    """A grant, and the player's balances after it."""

    user_id: int
    reward_type: RewardType
    amount: int
    balance: Balance
    gems: Balance
    key: str | None
    receipt: RewardReceipt


class RewardsGrantBulk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Grant many rewards. Each item is granted or refused by itself."""

    items: Annotated[list[RewardsDistribute], Meta(min_length=1, max_length=GRANTS_MAX)]


class GrantResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """What came of one item. `replayed`: it was granted before, under the same key, by the event named here."""

    user_id: Annotated[int | None, Meta(description="As in the item; null where that has no usable one")]
    status: Literal["ok", "error"]
    error: Annotated[str | None, Meta(description="Error code", examples=["PLAYER_NOT_FOUND"])] = None
    message: str | None = None
    op_id: Annotated[
        str | None, Meta(description="Id of an attempt that failed, where it came as far as the engine")
    ] = None
    event_id: Annotated[str | None, Meta(description="partition-epoch-seq", examples=["0-1-42"])] = None
    replayed: bool = False


class RewardsGrantBulkReply(msgspec.Struct, frozen=True):
    """What came of the items, in their order. `success`: all of them were granted, now or before."""

    success: bool
    results: list[GrantResult]


class RewardsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose rewards, and which part of the list. `offset` reaches to 10,000; beyond, use `cursor`."""

    id: UserId
    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    offset: Annotated[int, Meta(ge=0, le=10_000)] = 0
    cursor: Cursor | None = None


class Reward(msgspec.Struct, frozen=True):
    """One reward that was granted. `granted_by` is the admin."""

    reward_type: RewardType
    amount: int
    source_description: str
    key: str | None
    granted_by: int
    created_at: datetime.datetime
    event_id: str


class RewardsReply(msgspec.Struct, frozen=True):
    """A page of a player's rewards, newest first."""

    total: int
    items: list[Reward]
    next_cursor: str | None
    as_of: datetime.datetime
