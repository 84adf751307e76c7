"""Requests and replies of the gacha."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from croupier_schemas.common import Balance, RarityCounts, Receipt
from croupier_schemas.economy import BannerName, Cost, Rarity, RarityStock
from croupier_schemas.odds import Odds


class GachaPull(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Draw one or ten items from a banner."""

    count: Literal[1, 10] = 1
    banner: BannerName = "standard"
    use_premium_currency: Annotated[bool, Meta(description="Pay the banner's price in gems")] = False


class GachaItem(msgspec.Struct, frozen=True):
    """One drawn item."""

    rarity: Rarity
    item_id: str
    animation_type: str
    near_miss: bool
    downgraded_from: Annotated[
        Rarity | None, Meta(description="The rarity that was drawn but had no stock left")
    ]


class Pity(msgspec.Struct, frozen=True):
    """Draws since each rarity was last delivered on this banner, and the rate-up guarantee."""

    Legendary: int
    Epic: int
    Rare: int
    guaranteed: Annotated[
        bool, Meta(description="The next item of the rate-up rarity will be a featured one")
    ]


class GachaPullReply(msgspec.Struct, frozen=True):
    """What was drawn, what it cost, and what is left."""

    items: list[GachaItem]
    daily_remaining: Annotated[int, Meta(description="Pulls left today")]
    cost_used: Balance
    balance: Annotated[Balance, Meta(description="Tokens afterwards")]
    gems: Annotated[Balance, Meta(description="Gems afterwards")]
    pity: Pity
    legacy_cost_mode: bool
    receipt: Receipt


class BannerSummary(msgspec.Struct, frozen=True):
    """A banner as a client's menu shows it."""

    name: str
    enabled: bool
    cost_tokens: Cost
    cost_gems: Cost | None
    rate_up: Rarity | None
    featured: Annotated[list[str], Meta(description="Ids of the featured items")]
    remaining_stock: Annotated[RarityStock, Meta(description="null: unlimited")]


class BannersReply(msgspec.Struct, frozen=True):
    """All banners of the economy in force."""

    economy: str
    total: int
    items: list[BannerSummary]


class GachaOddsReply(msgspec.Struct, frozen=True):
    """The exact table of a banner, generated from what the pull uses, and what its pool holds now."""

    economy: Annotated[str, Meta(description="Version of the economy that the table belongs to")]
    in_force: bool
    odds: Odds
    remaining_stock: Annotated[RarityStock, Meta(description="null: unlimited")]


class BannerStats(msgspec.Struct, frozen=True):
    """A player's record on one banner."""

    rarity_counts: RarityCounts
    pity: Pity
    draws: int


class GachaStatsReply(msgspec.Struct, frozen=True):
    """A player's live record on all banners in force, together and one by one."""

    rarity_counts: RarityCounts
    draws: int
    daily_remaining: int
    banners: dict[str, BannerStats]
