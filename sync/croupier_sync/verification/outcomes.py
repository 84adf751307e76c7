"""Outcomes, computed again from the seeds that have been revealed, as a stranger would."""

from typing import NamedTuple

import asyncpg

from croupier.fairness.receipts import has_receipt, player_of, receipt_of
from croupier.fairness.verify import verify_receipt
from croupier.gacha.table import CompiledEconomy
from croupier_schemas.events import Event
from croupier_schemas.records import FAIRNESS_ROTATED
from croupier_sync.verification.findings import Findings

_ROTATED = "SELECT uid, result FROM events WHERE type = 'fairness.rotated'"


class SeedOf(NamedTuple):
    """Whose seed, by its commitment."""

    uid: int
    commitment: bytes


async def revealed_seeds(connection: asyncpg.Connection) -> dict[SeedOf, str]:
    """The server seeds that are public. An event that cannot be read is left to the checks of single events."""
    seeds = {}
    async for row in connection.cursor(_ROTATED, prefetch=5_000):
        try:
            rotated = FAIRNESS_ROTATED.unpack(row["result"])
            seeds[SeedOf(row["uid"], rotated.revealed_commitment)] = rotated.revealed_seed.decode()
        except ValueError:
            continue
    return seeds


class Outcomes:
    """Recomputes what can be. `recomputed` and `hidden` count events with their seed revealed, and not."""

    def __init__(self, seeds: dict[SeedOf, str], findings: Findings) -> None:
        self._seeds = seeds
        self._findings = findings
        self.recomputed = 0
        self.hidden = 0

    def check(self, event: Event, economy: CompiledEconomy) -> None:
        """An event of any type. Raises ValueError and LookupError where it cannot be read."""
        if not has_receipt(event):
            return
        seed = self._seeds.get(SeedOf(event.header.uid, player_of(event).commitment))
        if seed is None:
            self.hidden += 1
            return
        self.recomputed += 1
        for problem in verify_receipt(receipt_of(event, economy, seed)):
            self._findings.add("outcomes", problem, event.id)
