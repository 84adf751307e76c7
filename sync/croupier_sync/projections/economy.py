"""What `economy.changed` means for queries."""

from collections.abc import Mapping
from typing import TypeAlias

from croupier.gacha.table import CompiledEconomy
from croupier_schemas import keys
from croupier_schemas.events import Event
from croupier_sync.projections.pools import pool_rows
from croupier_sync.rows import EconomyRow, Row

Economies: TypeAlias = Mapping[bytes, CompiledEconomy]
"""Economies by version, 32 bytes."""

ECONOMY_CHANGED = "economy.changed"


def canonical_economy(event: Event) -> bytes | None:
    """The economy that an `economy.changed` event put in force; None for any other event."""
    if event.header.type != ECONOMY_CHANGED:
        return None
    return event.image(keys.economy(event.id.partition, event.header.economy.hex()))


def economy_changed(event: Event, _economies: Economies) -> list[Row]:
    canonical = canonical_economy(event)
    if canonical is None:
        raise ValueError(f"event {event.id} names economy {event.header.economy.hex()} and does not bring it")
    return [EconomyRow(event.header.economy.hex(), canonical), *pool_rows(event)]
