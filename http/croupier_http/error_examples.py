"""An example of each error's body, for the descriptions of the API."""

from typing import Final

from croupier_schemas.errors import ErrorKind

_MEMBERS: Final[dict[str, object]] = {
    "allow": ["POST"],
    "balance": 1200,
    "currency": "tokens",
    "details": {"field": "count", "allowed": [1, 10], "received": 3},
    "excluded_until": "2026-02-01T00:00:00Z",
    "limit": 3,
    "limit_per_minute": 60,
    "limit_per_second": 5,
    "max": 1000000,
    "min": 10,
    "required": 5000,
    "resets_at": "2026-01-31T15:00:00Z",
    "scope": "games",
    "step": 10,
    "used": 3,
    "window": "minute",
}
"""A value for each member that some code's body has besides the common ones."""


def example(kind: ErrorKind) -> dict[str, object]:
    """A body as a client may receive it. Raises KeyError for a code with a member that is not known here."""
    head = {
        "detail": kind.code,
        "code": kind.code,
        "message": kind.message,
        "request_id": "0f3a5c7e9b1d2f40000000000000002a",
    }
    return head | {name: _MEMBERS[name] for name in kind.fields}
