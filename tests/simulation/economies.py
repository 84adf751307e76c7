"""The economy of the simulated casino: everything happens within a few dozen commands, and no limit is ever met."""

from typing import Final

from croupier_schemas.economy import Economy
from tests.commands.economies import banner, economy

_WIDE: Final = {tier: {"per_second": 60, "per_minute": 600} for tier in ("STANDARD", "PREMIUM", "VIP")}


def _with_stock(legendary: int) -> Economy:
    return economy(
        {
            "main": banner(
                cost_tokens={"one": 50, "ten": 450},
                stock={"Legendary": legendary, "Epic": 40},
                pity={"Legendary": {"hard": 9}, "Epic": {"hard": 5}},
            )
        },
        initial_tokens=100_000,
        crash={"growth_ppm": 900_000},
        rate_limit={"mode": "enforce", "games": _WIDE, "cashout": _WIDE},
    )


ECONOMY: Final = _with_stock(12)
OTHER: Final = _with_stock(13)
"""Another version, which changes nothing for a pool that there is already."""
