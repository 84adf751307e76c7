"""What a socket tells by itself."""

from datetime import datetime
from typing import Any, Final

import msgspec

from croupier_client.codecs import Codec
from croupier_client.operations import OF_EVENT
from croupier_schemas.crash import CrashSession


class Balances(msgspec.Struct, frozen=True):
    """In whole tokens and gems."""

    tokens: int
    gems: int


class Hello(msgspec.Struct, frozen=True, tag_field="type", tag="hello"):
    """How the player stands: the first push of each connection, and one more after the server had to drop some.

    What happened up to `last_event_id` is in it.
    """

    player_id: int
    balances: Balances
    active_bet: CrashSession | None
    last_event_id: str | None
    worker_time_ms: int


class UnreadHello(msgspec.Struct, frozen=True, tag_field="type", tag="hello"):
    """The same of a socket for notifications: how many were not read."""

    player_id: int
    unread: int


class LiveEvent(msgspec.Struct, frozen=True):
    """An event as clients are shown it. `result` is what its command answered; empty where no command did it."""

    event_id: str
    event_type: str
    player_id: int
    created_at: datetime
    op_id: str
    economy: str
    result: dict[str, Any]

    def reply(self) -> Any:
        """The result as the type that the command's method returns; None where there is none.

        Raises msgspec.ValidationError for one that this version of the client cannot read.
        """
        operation = OF_EVENT.get(self.event_type)
        if operation is None or not self.result:
            return None
        return msgspec.convert(self.result, operation.reply)


class GameEvent(msgspec.Struct, frozen=True, tag_field="type", tag="game_event"):
    """Something has happened."""

    event: LiveEvent


class MonitorSnapshot(msgspec.Struct, frozen=True, tag_field="type", tag="monitor_snapshot"):
    """The last events of all players, oldest first: the first push to a monitor."""

    events: list[LiveEvent]


class Notified(msgspec.Struct, frozen=True):
    """A notification."""

    type: str
    id: str
    title: str
    body: str
    data: dict[str, Any]
    created_at: datetime


class Reconnect(msgspec.Struct, frozen=True, tag_field="type", tag="reconnect"):
    """The server stops, and says when to come back. The stream does that by itself."""

    after_ms: int


class Missed(msgspec.Struct, frozen=True):
    """So many pushes were dropped here, since they were not taken: those that stood before what follows."""

    count: int


class UnknownPush(msgspec.Struct, frozen=True):
    """A push of a type that this version of the client does not know."""

    type: str
    members: dict[str, Any]


Push = Hello | UnreadHello | GameEvent | MonitorSnapshot | Notified | Missed | UnknownPush

_NOTIFICATIONS: Final = ("ADMIN_NOTIFICATION", "ADMIN_BROADCAST")


class PushReader:
    """Reads the pushes of a socket; `notifications` says that it is one for those."""

    def __init__(self, codec: Codec, *, notifications: bool) -> None:
        hello: Any = UnreadHello if notifications else Hello
        self._known = codec.decoder(hello | GameEvent | MonitorSnapshot | Reconnect).decode
        self._notified = codec.decoder(Notified).decode
        self._any = codec.decode

    def read(self, packed: bytes) -> Push | Reconnect:
        """Raises msgspec.DecodeError where it is no push."""
        try:
            push: Push | Reconnect = self._known(packed)
        except msgspec.ValidationError:
            members = self._any(packed)
            kind = members.get("type") if isinstance(members, dict) else None
            if not isinstance(kind, str) or kind in ("hello", "game_event", "monitor_snapshot", "reconnect"):
                raise
            if kind in _NOTIFICATIONS:
                notified: Notified = self._notified(packed)
                return notified
            return UnknownPush(kind, members)
        return push
