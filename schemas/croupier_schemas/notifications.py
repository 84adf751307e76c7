"""Notifications: what administrators tell players."""

import datetime
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from croupier_schemas.common import UserId

NotificationType = Literal["ADMIN_NOTIFICATION", "ADMIN_BROADCAST"]
# Postgres holds every text but one with a zero character.
Title = Annotated[str, Meta(pattern=r"^[^\x00]{1,200}\Z")]
Body = Annotated[str, Meta(pattern=r"^[^\x00]{0,4000}\Z")]
# Beyond, JavaScript rounds; and msgpack, as some clients read notifications, has no integers of more than 64 bits.
_INTEGER_MAX: Final = 2**53 - 1
_Integer = Annotated[int, Meta(ge=-_INTEGER_MAX, le=_INTEGER_MAX)]
Data = Annotated[
    dict[str, str | _Integer | bool | None],
    Meta(max_length=32, description="For the client; any few members"),
]


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    """A notification, as lists and pushes have it."""

    type: NotificationType
    id: str
    title: str
    body: str
    data: dict[str, object]
    created_at: datetime.datetime


class ListedNotification(Notification, frozen=True, kw_only=True):
    """One in the list of a player."""

    read_at: Annotated[datetime.datetime | None, Meta(description="null: unread")]


class NotificationSend(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Tell one player."""

    user_id: UserId
    title: Title
    body: Body = ""
    data: Data = {}


class NotificationBroadcast(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Tell all players."""

    title: Title
    body: Body = ""
    data: Data = {}


class NotificationsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which of the caller's notifications."""

    unread: Annotated[bool, Meta(description="Only those that were not read")] = False
    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    offset: Annotated[int, Meta(ge=0, le=10_000)] = 0
    cursor: Annotated[str | None, Meta(description="Where the page before ended")] = None


class NotificationsReply(msgspec.Struct, frozen=True):
    """A page, newest first."""

    total: int
    items: list[ListedNotification]
    next_cursor: str | None
    unread: Annotated[int, Meta(description="Unread ones in all")]


class NotificationRead(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which one was read; the id stands in the path."""

    id: Annotated[str, Meta(pattern=r"^[0-9]{1,18}\Z")]


class NotificationReadReply(msgspec.Struct, frozen=True):
    """Since when it counts as read: the first time stays."""

    id: str
    read_at: datetime.datetime


class NoBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing has to be said."""


class TicketReply(msgspec.Struct, frozen=True):
    """A ticket for one WebSocket, as `?ticket=`."""

    ticket: str
    expires_at: datetime.datetime
