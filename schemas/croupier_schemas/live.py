"""What the WebSockets tell by themselves: their pushes, but for notifications, which `notifications` has."""

import datetime
from typing import Any

import msgspec

from croupier_schemas.crash import CrashSession


class Balances(msgspec.Struct, frozen=True):
    """In whole tokens and gems."""

    tokens: int
    gems: int


class Hello(msgspec.Struct, frozen=True, tag_field="type", tag="hello"):
    """How a player stands: the first push, and again after anything was dropped.

    What happened up to `last_event_id` is in it; later events follow as pushes, if `live`. `worker_time_ms` is the
    server's clock, Unix time in ms.
    """

    player_id: int
    balances: Balances
    active_bet: CrashSession | None
    last_event_id: str | None
    worker_time_ms: int
    live: bool


class UnreadHello(msgspec.Struct, frozen=True, tag_field="type", tag="hello"):
    """The same of a socket for notifications: how many the player has not read."""

    player_id: int
    unread: int


class LiveEvent(msgspec.Struct, frozen=True):
    """An event as clients are shown it. `result` is what its command answered; empty where no command did it."""

    event_id: str
    event_type: str
    player_id: int
    created_at: datetime.datetime
    op_id: str
    economy: str
    result: dict[str, Any]


class GameEvent(msgspec.Struct, frozen=True, tag_field="type", tag="game_event"):
    """Something has happened, and Postgres has it."""

    event: LiveEvent


class MonitorSnapshot(msgspec.Struct, frozen=True, tag_field="type", tag="monitor_snapshot"):
    """The last events of all players, oldest first: the first push to a monitor. Later ones follow, if `live`."""

    events: list[LiveEvent]
    live: bool


class Reconnect(msgspec.Struct, frozen=True, tag_field="type", tag="reconnect"):
    """The server stops; in `after_ms` milliseconds the client may connect again."""

    after_ms: int
