"""The sockets there are."""

from typing import Final, NamedTuple

from croupier_http.ws.connection import Kind


class SocketRoute(NamedTuple):
    """A socket as the description of the API has it."""

    path: str
    kind: Kind
    summary: str
    description: str


SOCKETS: Final = (
    SocketRoute(
        "/api/games/ws",
        "player",
        "A player's own events, and commands",
        "Commands are `[id, command, arguments, idempotency_key?]`, or a list of those, and are answered "
        "`[id, status, body]` in any order, with what the HTTP route answers.",
    ),
    SocketRoute(
        "/api/games/ws/monitor",
        "monitor",
        "All events, for administrators",
        "The first push is `monitor_snapshot`, the last 200 events.",
    ),
    SocketRoute(
        "/ws/notifications/{user_id}",
        "notifications",
        "Notifications as they are sent",
        "Of the token's own player; administrators may name another.",
    ),
)
