"""Reading a settlement back from what its script recorded."""

from collections.abc import Sequence

from croupier.crash.rounds import OUTCOMES
from croupier_schemas.crash import Outcome
from croupier_schemas.events import Event
from croupier_schemas.records import CRASH, CRASH_SETTLED, PLAYER, CrashSettled


class Settlement:
    """How a player's last round ended. `played` is the round itself; None where this is not what ended it.

    Raises ValueError where a layout is another one.
    """

    __slots__ = ("crash", "played", "player")

    def __init__(self, images: Sequence[bytes], result: bytes) -> None:
        self.player = PLAYER.unpack(images[0])
        self.crash = CRASH.unpack(images[1])
        self.played: CrashSettled | None = CRASH_SETTLED.unpack(result) if result else None

    @classmethod
    def of_event(cls, event: Event) -> "Settlement":
        """From a `crash.settled` event."""
        return cls([change.value or b"" for change in event.changes[:2]], event.result)

    @property
    def outcome(self) -> Outcome:
        return OUTCOMES[self.crash.settled_outcome]
