"""Economies in which everything happens within a few dozen commands: pity, empty pools, rate limits, wins, switches."""

from typing import Any

from croupier_schemas.economy import Economy
from tests.commands.economies import banner, economy

_PRICES = {"cost_tokens": {"one": 5_000, "ten": 50_000}, "cost_gems": {"one": 3, "ten": 30}}
_FEATURED = {
    "Legendary": [{"id": "crown", "weight": 2}, {"id": "throne", "featured": True}, {"id": "scepter"}],
    "Epic": [{"id": "dice"}, {"id": "ace"}],
    "Rare": [{"id": "card"}],
    "Common": [{"id": "chip", "weight": 5}, {"id": "coin", "weight": 2}],
}
_SOFT = banner(
    **_PRICES,
    items=_FEATURED,
    rate_up="Legendary",
    near_miss_ppm=100_000,
    pity={
        "Legendary": {"hard": 12, "soft": {"from_draw": 4, "step_ppm": 150_000}},
        "Epic": {"soft": {"from_draw": 2, "step_ppm": 90_000}},
        "Rare": {"hard": 5},
    },
)
_LIMITED = banner(
    cost_tokens={"one": 100, "ten": 900},
    stock={"Legendary": 3, "Epic": 9},
    pity={"Legendary": {"hard": 7}, "Epic": {"hard": 4}},
)
_LIMITS = {"daily_limit": {"STANDARD": 3, "PREMIUM": 5, "VIP": 5}}

_SLOT = {
    "reels": [["bell", "plum", "bar", "plum"], ["plum", "bell", "plum", "bar", "bell"], ["bar", "plum", "bell"]],
    "paytable": {"bar": {"two": 60, "three": 250}, "bell": {"two": 25, "three": 90}, "plum": {"three": 45}},
}  # fmt: skip


def _rates(games: tuple[int, int], cashout: tuple[int, int], mode: str = "enforce") -> dict[str, Any]:
    """Rate limits that are met: those of STANDARD, twice of them for PREMIUM, none worth mentioning for VIP."""

    def tiers(per_second: int, per_minute: int) -> dict[str, Any]:
        limits = {
            "STANDARD": (per_second, per_minute),
            "PREMIUM": (2 * per_second, 2 * per_minute),
            "VIP": (50, 60),
        }
        return {
            tier: {"per_second": second, "per_minute": minute} for tier, (second, minute) in limits.items()
        }

    return {"mode": mode, "games": tiers(*games), "cashout": tiers(*cashout)}


ECONOMIES: tuple[Economy, ...] = (
    economy(
        {"soft": _SOFT, "limited": _LIMITED},
        initial_tokens=160_000,
        initial_gems=40,
        gacha=_LIMITS,
        slot=_SLOT,
        rate_limit=_rates((2, 7), (1, 3)),
    ),
    economy(
        {"soft": _SOFT | {"enabled": False}, "limited": _LIMITED | {"stock": {"Legendary": 50, "Rare": 4}}},
        initial_tokens=20_000,
        initial_gems=7,
        crash={"growth_ppm": 400_000, "max_multiplier": 3},
        rate_limit=_rates((1, 4), (1, 1), "shadow"),
    ),
    economy(
        {"limited": _LIMITED | {"rate_up": "Common", "items": _FEATURED | {"Common": [
            {"id": "chip", "weight": 5}, {"id": "coin", "featured": True}]}}},
        gacha=_LIMITS,
        slot=_SLOT | {"bet_max": 10_000_000_000},
        crash={"bet_min": 1, "bet_max": 10_000_000_000},
        rps={"bet_min": 10, "bet_step": 10, "bet_max": 9_000_000_000, "win_percent": 200},
        rate_limit=_rates((20, 50), (4, 9), "shadow"),
    ),
    economy(
        {"soft": _SOFT, "limited": _LIMITED},
        gacha=_LIMITS,
        crash={"enabled": False},
        rps={"enabled": False},
        rate_limit=_rates((1, 12), (2, 2)),
    ),
    economy({"limited": _LIMITED}, gacha={"enabled": False}, slot={"enabled": False}),
    economy({"limited": _LIMITED}, maintenance=True, rate_limit=_rates((1, 2), (1, 1))),
)  # fmt: skip
"""The first is to begin with. Others change prices, limits and stock, or switch a banner, games or everything off."""
