"""What a Python client team installs: Croupier over HTTP and WebSocket, typed.

`Client` asks over HTTP, one request per call; `Stream` gives commands over one WebSocket, many in a frame, and hears
what happens to its player. Both have the same methods for commands.
"""

from croupier_client.answers import Answer
from croupier_client.client import Client
from croupier_client.errors import (
    ClientError,
    CroupierProtocolError,
    CroupierRefused,
    CroupierUnavailable,
)
from croupier_client.operation import Operation
from croupier_client.operations import OPERATIONS
from croupier_client.pushes import Missed, Push, UnknownPush, reply_of
from croupier_client.stream import MONITOR, PLAYER, Stream, notifications_of
from croupier_schemas.live import GameEvent, Hello, LiveEvent, MonitorSnapshot, UnreadHello
from croupier_schemas.notifications import Notification

__all__ = [
    "MONITOR",
    "OPERATIONS",
    "PLAYER",
    "Answer",
    "Client",
    "ClientError",
    "CroupierProtocolError",
    "CroupierRefused",
    "CroupierUnavailable",
    "GameEvent",
    "Hello",
    "LiveEvent",
    "Missed",
    "MonitorSnapshot",
    "Notification",
    "Operation",
    "Push",
    "Stream",
    "UnknownPush",
    "UnreadHello",
    "notifications_of",
    "reply_of",
]
