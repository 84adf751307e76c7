"""Types that requests and replies of every game share."""

from typing import Annotated

import msgspec
from msgspec import Meta

from croupier_schemas.economy import BALANCE_MAX, Rarity

UserId = Annotated[int, Meta(ge=1, le=2**53 - 1, description="Player id")]
Balance = Annotated[int, Meta(ge=0, le=BALANCE_MAX)]


class Receipt(msgspec.Struct, frozen=True):
    """What lets anyone check a draw: see `docs/fairness.md`."""

    event_id: Annotated[str, Meta(description="partition-epoch-seq", examples=["0-1-42"])]
    seq: Annotated[int, Meta(description="Position in the event log, gapless within partition and epoch")]
    economy: Annotated[str, Meta(description="Version of the economy: SHA-256 of its canonical form")]
    nonce: Annotated[int, Meta(description="Number of the draw under the player's seeds")]
    commitment: Annotated[str, Meta(description="SHA-256 of the server seed, in hexadecimal")]


class RarityCounts(msgspec.Struct, frozen=True):
    """A number per rarity."""

    Legendary: int
    Epic: int
    Rare: int
    Common: int

    @classmethod
    def of(cls, rarities: list[Rarity]) -> "RarityCounts":
        """Count a list of rarities."""
        return cls(*(rarities.count(rarity) for rarity in ("Legendary", "Epic", "Rare", "Common")))
