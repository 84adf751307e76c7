"""Sessions: their ids, and reading them back from what their scripts recorded."""

import re
from typing import Final, NamedTuple, cast

import msgspec

from croupier_schemas import keys
from croupier_schemas.economy import GAMES, Game
from croupier_schemas.events import Event
from croupier_schemas.records import SESSION, Session

_ID: Final = re.compile(rf"({'|'.join(GAMES)})-([0-9a-f]{{32}})")


class SessionName(NamedTuple):
    """What an id is made of: the game, and the operation id of the start (16 bytes)."""

    game: Game
    id: bytes

    @classmethod
    def parse(cls, text: str) -> "SessionName | None":
        """From the text form; None for what is no id."""
        match = _ID.fullmatch(text)
        return cls(cast(Game, match[1]), bytes.fromhex(match[2])) if match else None

    def __str__(self) -> str:
        return f"{self.game}-{self.id.hex()}"


class SessionTerms(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Which game's session was to be started or ended."""

    game: Game


class Recorded(NamedTuple):
    """A session as an event left it."""

    session_id: str
    game: Game
    session: Session


def session_of(event: Event) -> Recorded:
    """The session that a `session.started` or `session.ended` event changed.

    Raises ValueError where a layout is another one.
    """
    game = msgspec.msgpack.decode(event.header.terms, type=SessionTerms).game
    record = SESSION.unpack(event.image(keys.session(event.id.partition, event.header.uid, game)) or b"")
    return Recorded(str(SessionName(game, record.id)), game, record)


def member(uid: int, game: str) -> str:
    """How the sorted set `session_open` names a session."""
    return f"{uid}:{game}"
