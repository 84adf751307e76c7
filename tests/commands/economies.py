"""Small economies for the tests of commands: one banner "main", and what a test changes of it."""

import json
from typing import Any

from croupier.economy import parse_economy
from croupier_schemas.economy import Economy

Settings = dict[str, Any]

ITEMS: Settings = {
    "Legendary": [{"id": "crown", "weight": 2}, {"id": "throne"}],
    "Epic": [{"id": "dice"}, {"id": "ace"}],
    "Rare": [{"id": "card"}, {"id": "cup", "weight": 3}],
    "Common": [{"id": "chip", "weight": 5}, {"id": "coin", "weight": 2}],
}
MIXED = {"Legendary": 50_000, "Epic": 150_000, "Rare": 300_000, "Common": 500_000}


def certain(rarity: str) -> dict[str, int]:
    """Weights that always give this rarity."""
    return {each: 1_000_000 * (each == rarity) for each in ("Legendary", "Epic", "Rare", "Common")}


def banner(**settings: Any) -> Settings:
    """A banner that costs nothing and has no pity, but for the settings."""
    free = {"one": 0, "ten": 0}
    return {"cost_tokens": free, "weights_ppm": MIXED, "items": ITEMS, "pity": {}} | settings


def economy(
    banners: dict[str, Settings] | None = None, *, daily_limit: int = 10_000, **settings: Any
) -> Economy:
    """An economy with these banners (default: "main" as `banner()` makes it); `settings` are those of its top level.

    Rate limits are in shadow mode, because the clock of the tests stands still."""
    limits = dict.fromkeys(("STANDARD", "PREMIUM", "VIP"), daily_limit)
    gacha = {"daily_limit": limits, "banners": banners or {"main": banner()}} | settings.pop("gacha", {})
    unlimited = {"rate_limit": {"mode": "shadow"}}
    return parse_economy(json.dumps({"gacha": gacha} | unlimited | settings).encode(), "json")


def main(daily_limit: int = 10_000, **settings: Any) -> Economy:
    """An economy with the one banner "main", which costs nothing and has no pity, but for the settings."""
    return economy({"main": banner(**settings)}, daily_limit=daily_limit)
