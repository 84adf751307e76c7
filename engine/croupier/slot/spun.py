"""Reading a spin back from what its script recorded."""

from dataclasses import dataclass

import msgspec

from croupier.command import Done
from croupier_schemas.events import Event
from croupier_schemas.records import PLAYER, SLOT_SPUN, Player, SlotSpun


class SpinTerms(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a spin was asked to do: the bet is that of all lines together, in tokens."""

    bet: int


@dataclass(frozen=True, slots=True)
class Spin:
    """A spin: its terms, what came of it, the player as it left them."""

    terms: SpinTerms
    spun: SlotSpun
    player: Player

    @classmethod
    def of_done(cls, terms: SpinTerms, done: Done) -> "Spin":
        """From the script's reply. Raises ValueError where a layout is another one."""
        return cls(terms, SLOT_SPUN.unpack(done.result), PLAYER.unpack(done.images[0]))

    @classmethod
    def of_event(cls, event: Event) -> "Spin":
        """From a `slot.spun` event. Raises ValueError where a layout is another one."""
        terms = msgspec.msgpack.decode(event.header.terms, type=SpinTerms)
        return cls(terms, SLOT_SPUN.unpack(event.result), PLAYER.unpack(event.changes[0].value or b""))

    @property
    def stops(self) -> tuple[int, int, int]:
        """Where the reels stopped, left to right, from 0."""
        return self.spun.stop_1, self.spun.stop_2, self.spun.stop_3
