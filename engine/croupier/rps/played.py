"""Reading a game of rock, paper, scissors back from what its script recorded."""

from dataclasses import dataclass

import msgspec

from croupier.command import Done
from croupier_schemas.events import Event
from croupier_schemas.records import PLAYER, RPS_PLAYED, Player, RpsPlayed


class PlayTerms(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a game was asked to be: the bet in tokens; the player's move as in the records.

    `deterministic` when a setting for tests decided how it ended.
    """

    bet: int
    player_move: int
    deterministic: bool


@dataclass(frozen=True, slots=True)
class Play:
    """A game: its terms, what came of it, the player as it left them."""

    terms: PlayTerms
    played: RpsPlayed
    player: Player

    @classmethod
    def of_done(cls, terms: PlayTerms, done: Done) -> "Play":
        """From the script's reply. Raises ValueError where a layout is another one."""
        return cls(terms, RPS_PLAYED.unpack(done.result), PLAYER.unpack(done.images[0]))

    @classmethod
    def of_event(cls, event: Event) -> "Play":
        """From an `rps.played` event. Raises ValueError where a layout is another one."""
        terms = msgspec.msgpack.decode(event.header.terms, type=PlayTerms)
        return cls(terms, RPS_PLAYED.unpack(event.result), PLAYER.unpack(event.changes[0].value or b""))
