"""Rolls of a player that a test knows beforehand, so that it can put a draw on either side of a threshold."""

import bisect
import math
from dataclasses import dataclass

from tests.commands.world import MASTER_KEY
from tests.model import fairness


def rolls_of(uid: int, nonce: int, count: int = 2) -> list[float]:
    """The rolls of a player's first generation, with the client seed that it begins with."""
    return fairness.rolls(fairness.server_seed(MASTER_KEY, uid, 1), str(uid), nonce, count)


def rarity_roll(uid: int, nonce: int = 1) -> int:
    """r = floor(u * 10^6) of the first draw with this nonce."""
    return math.floor(rolls_of(uid, nonce, 1)[0] * 1_000_000)


@dataclass(frozen=True)
class RarityRolls:
    """The rarity rolls r of one player's first nonces, sorted: [(r, nonce)]."""

    uid: int
    sorted_rolls: list[tuple[int, int]]

    @classmethod
    def of(cls, uid: int, nonces: int) -> "RarityRolls":
        return cls(uid, sorted((rarity_roll(uid, nonce), nonce) for nonce in range(1, nonces + 1)))

    def around(self, threshold: int) -> list[tuple[int, int]]:
        """(r, nonce) closest below the threshold, and closest at or above it, where there are such."""
        at = bisect.bisect_left(self.sorted_rolls, (threshold, 0))
        return self.sorted_rolls[max(0, at - 1) : at + 1]
