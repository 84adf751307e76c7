"""What a socket tells by itself."""

from typing import Any, Final

import msgspec

from croupier_client.codecs import Codec
from croupier_client.operations import OF_EVENT
from croupier_schemas.live import GameEvent, Hello, LiveEvent, MonitorSnapshot, Reconnect, UnreadHello
from croupier_schemas.notifications import Notification


def reply_of(event: LiveEvent) -> Any:
    """An event's result as the type that the command's method returns; None where there is none.

    Raises msgspec.ValidationError for one that this version of the client cannot read.
    """
    operation = OF_EVENT.get(event.event_type)
    if operation is None or not event.result:
        return None
    return msgspec.convert(event.result, operation.reply)


class Missed(msgspec.Struct, frozen=True):
    """So many pushes were dropped here, since they were not taken: those that stood before what follows."""

    count: int


class UnknownPush(msgspec.Struct, frozen=True):
    """A push of a type that this version of the client does not know."""

    type: str
    members: dict[str, Any]


Greeting = Hello | UnreadHello | MonitorSnapshot
"""What each socket begins with: how things stand."""

Push = Greeting | GameEvent | Notification | Missed | UnknownPush

_NOTIFICATIONS: Final = ("ADMIN_NOTIFICATION", "ADMIN_BROADCAST")


class PushReader:
    """Reads the pushes of a socket; `notifications` says that it is one for those."""

    def __init__(self, codec: Codec, *, notifications: bool) -> None:
        hello: Any = UnreadHello if notifications else Hello
        self._known = codec.decoder(hello | GameEvent | MonitorSnapshot | Reconnect).decode
        self._notified = codec.decoder(Notification).decode
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
                notified: Notification = self._notified(packed)
                return notified
            return UnknownPush(kind, members)
        return push
