"""Errors as clients see them: the reply's body and headers, and the page that lists all codes."""

import math
from http import HTTPStatus
from typing import Final

import msgspec

from croupier.errors import CroupierError
from croupier_http.replies import Answer
from croupier_schemas.errors import ERRORS, ErrorKind

_encode = msgspec.json.Encoder().encode

_PAGE_HEAD: Final = """\
# Error codes

Every error is `application/json`:

```json
{"detail": "CODE", "code": "CODE", "message": "...", "request_id": "...", ...}
```

`detail` and `code` are always equal and never change their meaning; `message` is for people and may change. Some codes
have further members, listed with them. `request_id` is also in the header `X-Request-Id` and in the server's log.

Requests with status 429 or 503 may be repeated after `Retry-After` seconds, with jitter and with the same
`Idempotency-Key`; those with other 4xx statuses may not, unless the code says so. An error of a command also has the
header `Op-Id`, under which the server's log and the event log know that one attempt.

This page is generated from `croupier_schemas.errors`; do not edit it.
"""


def error_body(error: CroupierError, request_id: str) -> dict[str, object]:
    """The body of an error's reply, in JSON's types."""
    head = {"detail": error.code, "code": error.code, "message": error.message, "request_id": request_id}
    body: dict[str, object] = msgspec.to_builtins(head | error.fields)
    return body


def retry_after(error: CroupierError) -> int | None:
    """In how many seconds to try again; None where that is not known."""
    if error.retry_after_s is None and error.kind.status != HTTPStatus.SERVICE_UNAVAILABLE:
        return None
    return max(1, math.ceil(error.retry_after_s or 0))


def failure(error: CroupierError, request_id: str) -> Answer:
    """The answer to a request that failed."""
    headers = ""
    if (wait_s := retry_after(error)) is not None:
        headers += f"Retry-After: {wait_s}\r\n"
    if error.code == "RATE_LIMITED":
        headers += _rate_limit(error)
    if error.code == "UNAUTHENTICATED":
        headers += 'WWW-Authenticate: Bearer realm="croupier"\r\n'
    if error.code == "UPGRADE_REQUIRED":
        headers += "Upgrade: websocket\r\n"
    if error.code == "METHOD_NOT_ALLOWED":
        headers += f"Allow: {', '.join(_methods(error))}\r\n"
    return Answer(_encode(error_body(error, request_id)), error.kind.status, headers=headers)


def _rate_limit(error: CroupierError) -> str:
    """The headers of draft-ietf-httpapi-ratelimit-headers-11: the policies, and when the full one has room again."""
    windows = (("second", "limit_per_second", 1), ("minute", "limit_per_minute", 60))
    policies = [
        f'"{name}";q={error.fields[limit]};w={length_s}'
        for name, limit, length_s in windows
        if error.fields[limit]
    ]
    wait_s = max(1, math.ceil(error.retry_after_s or 0))
    return (
        f'RateLimit-Policy: {", ".join(policies)}\r\nRateLimit: "{error.fields["window"]}";r=0;t={wait_s}\r\n'
    )


def _methods(error: CroupierError) -> list[str]:
    methods = error.fields["allow"]
    assert isinstance(methods, list)
    return methods


def errors_page() -> str:
    """`docs/errors.md`: one section per code, with its status, its fields and advice on repeating the request."""
    index = "".join(
        f"| {kind.status} | [`{kind.code}`](#{kind.code.lower()}) |\n" for kind in ERRORS.values()
    )
    sections = "".join(_section(kind) for kind in ERRORS.values())
    return f"{_PAGE_HEAD}\n| status | code |\n|---|---|\n{index}{sections}"


def _section(kind: ErrorKind) -> str:
    fields = f"- Members: {', '.join(f'`{name}`' for name in kind.fields)}\n" if kind.fields else ""
    advice = f"- Repeat the request? {kind.retry}\n"
    return f"\n## {kind.code}\n\n{kind.message}\n\n- Status: {kind.status}\n{fields}{advice}"
