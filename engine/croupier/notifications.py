"""Notifications: kept in Postgres, and pushed to the sockets that are open."""

from typing import Any, Final

import asyncpg
import msgspec
import structlog

from croupier.action import Action
from croupier.command import Caller
from croupier.errors import CroupierError
from croupier.paging import QUERY_TIMEOUT_S, require_one_way
from croupier.postgres import asking_postgres, fetch
from croupier.query import Query, Sources
from croupier.transport import TransportError
from croupier_schemas import keys
from croupier_schemas.notifications import (
    ListedNotification,
    Notification,
    NotificationBroadcast,
    NotificationRead,
    NotificationReadReply,
    NotificationSend,
    NotificationsQuery,
    NotificationsReply,
)

log = structlog.get_logger(__name__)

_INSERT: Final = """
INSERT INTO notifications (uid, title, body, data, sent_by) VALUES ($1, $2, $3, $4, $5) RETURNING id, created_at
"""
_MINE: Final = """
mine AS (
    SELECT n.*, r.read_at FROM notifications n LEFT JOIN notification_reads r ON r.uid = $1 AND r.id = n.id
    WHERE n.uid = $1 OR n.uid IS NULL
)
"""
_LIST: Final = f"""
WITH {_MINE}
SELECT (SELECT count(*) FROM mine WHERE NOT $2 OR read_at IS NULL) AS total,
  (SELECT count(*) FROM mine WHERE read_at IS NULL) AS unread, page.*
FROM (VALUES (1)) AS always_one
LEFT JOIN LATERAL (
    SELECT * FROM mine WHERE (NOT $2 OR read_at IS NULL) AND ($3::bigint IS NULL OR id < $3)
    ORDER BY id DESC LIMIT $4 OFFSET $5
) AS page ON true
ORDER BY id DESC
"""
_UNREAD: Final = f"WITH {_MINE} SELECT count(*) FROM mine WHERE read_at IS NULL"
_READ: Final = """
WITH shown AS (SELECT id FROM notifications WHERE id = $2 AND (uid = $1 OR uid IS NULL)),
  marked AS (
    INSERT INTO notification_reads (uid, id) SELECT $1, id FROM shown ON CONFLICT DO NOTHING RETURNING read_at
  )
SELECT coalesce(
    (SELECT read_at FROM marked), (SELECT read_at FROM notification_reads WHERE uid = $1 AND id = $2), now()
)
FROM shown
"""

_encode = msgspec.json.Encoder().encode


async def unread(sources: Sources, uid: int) -> int:
    """How many notifications a player has not read. Raises CroupierError NOT_READY."""
    with asking_postgres():
        ((count,),) = await fetch(sources.pool, _UNREAD, uid, timeout_s=QUERY_TIMEOUT_S)
    unread_ones: int = count
    return unread_ones


async def _send(sources: Sources, caller: Caller, _expires_s: int, request: NotificationSend) -> Notification:
    return await _tell(sources, caller, request.user_id, request)


async def _broadcast(
    sources: Sources, caller: Caller, _expires_s: int, request: NotificationBroadcast
) -> Notification:
    return await _tell(sources, caller, None, request)


async def _tell(
    sources: Sources, caller: Caller, uid: int | None, request: NotificationSend | NotificationBroadcast
) -> Notification:
    """Keep it, then push it. A push that fails takes nothing back: the list has it."""
    with asking_postgres():
        row = await sources.pool.fetchrow(
            _INSERT, uid, request.title, request.body, _encode(request.data).decode(), caller.uid,
            timeout=QUERY_TIMEOUT_S,
        )  # fmt: skip
    notification = Notification(
        type="ADMIN_BROADCAST" if uid is None else "ADMIN_NOTIFICATION",
        id=str(row["id"]),
        title=request.title,
        body=request.body,
        data=dict(request.data),
        created_at=row["created_at"],
    )
    channel = keys.broadcast() if uid is None else keys.notifications(uid)
    try:
        await sources.engine.transport.call("PUBLISH", channel, _encode(notification))
    except TransportError as error:
        log.warning("a notification was not pushed", notification=notification.id, error=str(error))
    return notification


async def _list(sources: Sources, caller: Caller, params: NotificationsQuery) -> NotificationsReply:
    require_one_way(params.offset, params.cursor)
    with asking_postgres():
        rows = await sources.pool.fetch(
            _LIST, caller.uid, params.unread, _id(params.cursor, "cursor"), params.limit + 1, params.offset,
            timeout=QUERY_TIMEOUT_S,
        )  # fmt: skip
    found = [row for row in rows if row["id"] is not None]
    more = len(found) > params.limit
    found = found[: params.limit]
    items = [_listed(row) for row in found]
    return NotificationsReply(rows[0]["total"], items, items[-1].id if more else None, rows[0]["unread"])


def _listed(row: asyncpg.Record) -> ListedNotification:
    data: dict[str, Any] = msgspec.json.decode(row["data"])
    return ListedNotification(
        type="ADMIN_BROADCAST" if row["uid"] is None else "ADMIN_NOTIFICATION",
        id=str(row["id"]),
        title=row["title"],
        body=row["body"],
        data=data,
        created_at=row["created_at"],
        read_at=row["read_at"],
    )


async def _read(
    sources: Sources, caller: Caller, _expires_s: int, request: NotificationRead
) -> NotificationReadReply:
    with asking_postgres():
        read_at = await sources.pool.fetchval(
            _READ, caller.uid, _id(request.id, "id"), timeout=QUERY_TIMEOUT_S
        )
    if read_at is None:
        raise CroupierError("NOT_FOUND", "There is no such notification of yours.")
    return NotificationReadReply(request.id, read_at)


def _id(text: str | None, field: str) -> int | None:
    """The id. Raises CroupierError VALIDATION_ERROR for what is none."""
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise CroupierError(
            "VALIDATION_ERROR",
            details={"field": field, "allowed": "the id of a notification", "received": text},
        )
    return int(text)


SEND = Action(
    name="notifications.send",
    path="/api/admin/notifications/send",
    summary="Tell one player something",
    request=NotificationSend,
    reply=Notification,
    act=_send,
    access="admin",
    example=NotificationSend(user_id=42, title="Welcome back", body="Your gift is waiting."),
)
BROADCAST = Action(
    name="notifications.broadcast",
    path="/api/admin/notifications/broadcast",
    summary="Tell all players something",
    request=NotificationBroadcast,
    reply=Notification,
    act=_broadcast,
    access="admin",
    example=NotificationBroadcast(title="Maintenance at noon"),
)
READ = Action(
    name="notifications.read",
    path="/api/notifications/{id}/read",
    summary="Mark a notification as read",
    request=NotificationRead,
    reply=NotificationReadReply,
    act=_read,
    errors=("NOT_FOUND",),
)
NOTIFICATIONS = Query(
    name="notifications",
    path="/api/notifications",
    summary="The caller's notifications, newest first",
    params=NotificationsQuery,
    reply=NotificationsReply,
    answer=_list,
    without_redis=True,
)
