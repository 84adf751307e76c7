"""Reading a pull back from what its script recorded."""

from dataclasses import dataclass

import msgspec

from croupier.command import Done
from croupier_schemas.events import Event
from croupier_schemas.gacha import Pity
from croupier_schemas.records import GACHA, GACHA_DRAW, PLAYER, Gacha, GachaDraw, Player


class PullTerms(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a pull was asked to do. `currency` as in the records; `legacy_cost` when that was the legacy price."""

    banner: str
    currency: int
    cost: int
    legacy_cost: bool
    daily_limit: int


@dataclass(frozen=True)
class Pull:
    """A pull: its terms, what it saw, the draws, and the records as it left them."""

    terms: PullTerms
    seen: Gacha
    draws: list[GachaDraw]
    player: Player
    gacha: Gacha

    @classmethod
    def of_done(cls, terms: PullTerms, done: Done) -> "Pull":
        """From the script's reply."""
        return cls._read(terms, done.result, *done.images)

    @classmethod
    def of_event(cls, event: Event) -> "Pull":
        """From a `gacha.pulled` event. Raises ValueError where a record is of another layout."""
        player, gacha = (change.value or b"" for change in event.changes[:2])
        terms = msgspec.msgpack.decode(event.header.terms, type=PullTerms)
        return cls._read(terms, event.result, player, gacha)

    @classmethod
    def _read(cls, terms: PullTerms, result: bytes, player: bytes, gacha: bytes) -> "Pull":
        return cls(
            terms=terms,
            seen=GACHA.unpack(result),
            draws=[GACHA_DRAW.unpack(result, at) for at in range(GACHA.size, len(result), GACHA_DRAW.size)],
            player=PLAYER.unpack(player),
            gacha=GACHA.unpack(gacha),
        )

    @property
    def daily_remaining(self) -> int:
        """Pulls left on the day of this one."""
        return self.terms.daily_limit - self.player.pulls


def pity(record: Gacha) -> Pity:
    """Pity as a record holds it."""
    return Pity(record.since_legendary, record.since_epic, record.since_rare, bool(record.guaranteed))
