"""What a client can ask about the gacha: banners, disclosed odds, its own record."""

from typing import Annotated, cast

import msgspec
from msgspec import Meta

from croupier.command import Caller
from croupier.economy.banner import items_of
from croupier.gacha.pull import find_banner
from croupier.gacha.pulled import pity
from croupier.gacha.table import CompiledEconomy
from croupier.partition import PARTITIONS
from croupier.query import NoParams, Query, Sources
from croupier_schemas import keys
from croupier_schemas.common import RarityCounts
from croupier_schemas.economy import RARITIES, BannerName, RarityStock
from croupier_schemas.gacha import (
    BannersReply,
    BannerStats,
    BannerSummary,
    GachaOddsReply,
    GachaStatsReply,
)
from croupier_schemas.records import GACHA, PLAYER, Gacha


class OddsParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which table: a banner, and optionally a past version of the economy."""

    banner: BannerName = "standard"
    economy: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")] | None = None


async def remaining_stock(sources: Sources, economy: CompiledEconomy, banner: str) -> RarityStock:
    """What is left in a banner's pool, summed over the partitions; None for what is not limited."""
    left: dict[str, int] = {}
    for partition in range(PARTITIONS):
        fields = cast(list[bytes], await sources.engine.views.read("HGETALL", keys.pool(partition, banner)))
        for rarity, amount in zip(fields[::2], fields[1::2], strict=True):
            left[rarity.decode()] = left.get(rarity.decode(), 0) + int(amount)
    stock = economy.banners[banner].banner.stock
    limited = {rarity: left.get(rarity, 0) for rarity in RARITIES[:3] if getattr(stock, rarity) is not None}
    return RarityStock(**limited)


async def _banners(sources: Sources, _caller: Caller, _params: NoParams) -> BannersReply:
    economy = (await sources.engine.views.in_force(0)).economy
    legacy = economy.economy.gacha.legacy_cost if sources.engine.settings.gacha_legacy_cost else None
    items = [
        BannerSummary(
            name=name,
            enabled=compiled.banner.enabled,
            cost_tokens=legacy or compiled.banner.cost_tokens,
            cost_gems=compiled.banner.cost_gems,
            rate_up=compiled.banner.rate_up,
            featured=[
                item.id for rarity in RARITIES for item in items_of(compiled.banner, rarity) if item.featured
            ],
            remaining_stock=await remaining_stock(sources, economy, name),
        )
        for name, compiled in economy.banners.items()
    ]
    return BannersReply(economy=economy.version, total=len(items), items=items)


async def _odds(sources: Sources, _caller: Caller, params: OddsParams) -> GachaOddsReply:
    in_force = (await sources.engine.views.in_force(0)).economy
    version = params.economy or in_force.version
    economy = await sources.engine.views.economy_of_version(version)
    find_banner(economy, params.banner)
    return GachaOddsReply(
        economy=version,
        in_force=version == in_force.version,
        odds=economy.odds(params.banner),
        remaining_stock=await remaining_stock(sources, economy, params.banner),
    )


def _banner_stats(record: Gacha) -> BannerStats:
    counts = RarityCounts(record.legendary, record.epic, record.rare, record.common)
    return BannerStats(
        rarity_counts=counts,
        pity=pity(record),
        draws=sum(msgspec.structs.astuple(counts)),
    )


async def _stats(sources: Sources, caller: Caller, _params: NoParams) -> GachaStatsReply:
    engine = sources.engine
    economy = (await engine.views.in_force(0)).economy
    partition = caller.uid % PARTITIONS
    names = list(economy.banners)
    records = cast(
        list[bytes | None],
        await engine.views.read(
            "MGET",
            keys.player(partition, caller.uid),
            *(keys.gacha(partition, caller.uid, name) for name in names),
        ),
    )
    banners = {
        name: _banner_stats(GACHA.unpack(record or GACHA.initial))
        for name, record in zip(names, records[1:], strict=True)
    }
    player = PLAYER.unpack(records[0] or PLAYER.initial)
    pulls = player.pulls if player.day >= engine.zone.day(engine.now_ms()).number else 0
    every = list(banners.values())
    return GachaStatsReply(
        rarity_counts=RarityCounts(
            *(sum(getattr(each.rarity_counts, rarity) for each in every) for rarity in RARITIES)
        ),
        draws=sum(each.draws for each in every),
        daily_remaining=max(0, getattr(economy.economy.gacha.daily_limit, caller.tier) - pulls),
        banners=banners,
    )


BANNERS = Query(
    name="gacha.banners",
    path="/api/games/gacha/banners",
    summary="The banners of the economy in force",
    params=NoParams,
    reply=BannersReply,
    answer=_banners,
)
ODDS = Query(
    name="gacha.odds",
    path="/api/games/gacha/odds",
    summary="The exact table of a banner, in force or of a past version",
    params=OddsParams,
    reply=GachaOddsReply,
    answer=_odds,
    errors=("BANNER_NOT_FOUND", "ECONOMY_NOT_FOUND"),
)
STATS = Query(
    name="gacha.stats",
    path="/api/games/gacha/stats",
    summary="The caller's own record, from the live state",
    params=NoParams,
    reply=GachaStatsReply,
    answer=_stats,
)
