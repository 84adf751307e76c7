"""An economy made ready for the scripts: every name replaced by an index, every constant packed once."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from croupier.economy.banner import drawing_order, items_of
from croupier.gacha.odds import disclose
from croupier.slot.table import CompiledSlot, compile_slot
from croupier_schemas.economy import RARITIES, Banner, Economy, Item
from croupier_schemas.odds import Odds
from croupier_schemas.records import GACHA_SOFT_PITY, GACHA_TABLE, GachaSoftPity, GachaTable


@dataclass(frozen=True)
class CompiledBanner:
    """A banner as script arguments. `items[r]` are the ids of rarity r (0 Legendary to 3 Common), in script order."""

    banner: Banner
    table: bytes
    soft: bytes
    choices: bytes
    items: tuple[list[str], list[str], list[str], list[str]]


@dataclass(frozen=True)
class CompiledEconomy:
    """An economy in force, or one that was. `version_raw` are the 32 bytes of `version`."""

    economy: Economy
    version: str
    version_raw: bytes
    banners: dict[str, CompiledBanner]
    slot: CompiledSlot
    _odds: dict[str, Odds] = field(default_factory=dict)

    def odds(self, banner: str) -> Odds:
        """The disclosed table of a banner; worked out once, since the long-run rates take milliseconds."""
        if banner not in self._odds:
            self._odds[banner] = disclose(self.economy, banner)
        return self._odds[banner]


def compile_economy(economy: Economy, version: str) -> CompiledEconomy:
    """Pack banners and slot machine of an economy that has been checked. `version` is the one it was pushed under."""
    return CompiledEconomy(
        economy=economy,
        version=version,
        version_raw=bytes.fromhex(version),
        banners={name: compile_banner(banner) for name, banner in economy.gacha.banners.items()},
        slot=compile_slot(economy.slot),
    )


def compile_banner(banner: Banner) -> CompiledBanner:
    """Pack one banner."""
    ordered = [drawing_order(items_of(banner, rarity)) for rarity in RARITIES]
    rate_up = RARITIES.index(banner.rate_up) if banner.rate_up else None
    featured = [item for item in ordered[rate_up] if item.featured] if rate_up is not None else []
    rules = [getattr(banner.pity, rarity) for rarity in RARITIES[:3]]
    hard = [rule.hard or 0 if rule else 0 for rule in rules]
    soft = [rule.soft if rule else None for rule in rules]
    from_draw = [each.from_draw if each else 0 for each in soft]
    step_ppm = [each.step_ppm if each else 0 for each in soft]
    table = GachaTable(
        weight_legendary=banner.weights_ppm.Legendary,
        weight_epic=banner.weights_ppm.Epic,
        weight_rare=banner.weights_ppm.Rare,
        near_miss_ppm=banner.near_miss_ppm,
        hard_legendary=hard[0],
        hard_epic=hard[1],
        hard_rare=hard[2],
        limited=sum(1 << i for i in range(3) if getattr(banner.stock, RARITIES[i]) is not None),
        rate_up=0 if rate_up is None else rate_up + 1,
        featured_count=len(featured),
        featured_weight=sum(item.weight for item in featured),
    )
    soft_pity = GACHA_SOFT_PITY.pack(GachaSoftPity(*from_draw, *step_ppm)) if any(from_draw) else b""
    first, second, third, fourth = ordered
    return CompiledBanner(
        banner=banner,
        table=GACHA_TABLE.pack(table),
        soft=soft_pity,
        choices=_choices(ordered),
        items=(_ids(first), _ids(second), _ids(third), _ids(fourth)),
    )


def _ids(items: Sequence[Item]) -> list[str]:
    return [item.id for item in items]


def _choices(ordered: Sequence[Sequence[Item]]) -> bytes:
    """The script argument `items`: per rarity the offset (from 1), length and weight of its list; then the lists."""
    lists = [list(accumulate(item.weight for item in items)) for items in ordered]
    head, offset = b"", 1 + 8 * len(lists)
    for weights in lists:
        head += struct.pack(">HHI", offset, len(weights), weights[-1] if weights else 0)
        offset += 4 * len(weights)
    return head + b"".join(struct.pack(f">{len(weights)}I", *weights) for weights in lists)
