"""Reading a pull back from what its script recorded."""

import msgspec

from croupier.command import Done
from croupier_schemas.events import Event
from croupier_schemas.gacha import Pity
from croupier_schemas.records import GACHA, GACHA_DRAW, PLAYER, Gacha


class PullTerms(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a pull was asked to do. `currency` as in the records; `legacy_cost` when that was the legacy price."""

    banner: str
    currency: int
    cost: int
    legacy_cost: bool
    daily_limit: int


class Pull:
    """A pull: its terms, its draws, the records as it left them. Raises ValueError where a layout is another one."""

    __slots__ = ("_result", "draws", "gacha", "player", "terms")

    def __init__(self, terms: PullTerms, result: bytes, player: bytes, gacha: bytes) -> None:
        self.terms = terms
        self.player = PLAYER.unpack(player)
        self.gacha = GACHA.unpack(gacha)
        self.draws = [
            GACHA_DRAW.unpack(result, start) for start in range(GACHA.size, len(result), GACHA_DRAW.size)
        ]
        self._result = result

    @classmethod
    def of_done(cls, terms: PullTerms, done: Done) -> "Pull":
        """From the script's reply."""
        return cls(terms, done.result, *done.images)

    @classmethod
    def of_event(cls, event: Event) -> "Pull":
        """From a `gacha.pulled` event."""
        player, gacha = (change.value or b"" for change in event.changes[:2])
        terms = msgspec.msgpack.decode(event.header.terms, type=PullTerms)
        return cls(terms, event.result, player, gacha)

    @property
    def seen(self) -> Gacha:
        """The record on the banner as the pull found it."""
        return GACHA.unpack(self._result)

    @property
    def daily_remaining(self) -> int:
        """Pulls left on the day of this one."""
        return self.terms.daily_limit - self.player.pulls


def pity(record: Gacha) -> Pity:
    """Pity as a record holds it."""
    return Pity(record.since_legendary, record.since_epic, record.since_rare, bool(record.guaranteed))
