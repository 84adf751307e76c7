"""Reading HTTP replies: as much of RFC 9112 as the reply to a JSON request over a kept connection takes."""

import re
from typing import Final, NamedTuple

from croupier_cli.load.line import Unreadable

_HEAD_BYTES_MAX: Final = 64 * 1024
_BODY_BYTES_MAX: Final = 16 * 1024 * 1024
_HEAD_END: Final = b"\r\n\r\n"
_LENGTH: Final = b"\r\nContent-Length: "
_CONNECTION: Final = b"\r\nConnection: "
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.[01] [2-5][0-9][0-9][ \r]")
_NO_BODY: Final = (204, 304)
_SHOWN_BYTES: Final = 80


class Reply(NamedTuple):
    """Where a reply is in the bytes received: its body is from `body` to `end`. `stays`: the connection does too."""

    status: int
    body: int
    end: int
    stays: bool


def read_reply(received: bytes) -> Reply | None:
    """The first reply in `received`; None while it is not complete. Raises Unreadable."""
    head_end = received.find(_HEAD_END)
    if head_end < 0:
        if len(received) > _HEAD_BYTES_MAX:
            raise Unreadable(f"the head of a reply has more than {_HEAD_BYTES_MAX:,} bytes")
        return None
    if _STATUS_LINE.match(received) is None:
        raise Unreadable(f"this is no HTTP/1.1: {received[:_SHOWN_BYTES]!r}")
    at = received.find(_LENGTH, 0, head_end + 2)
    # The spelling that Croupier and most servers use is found at once; any other takes a look at each line.
    if at >= 0 and received.find(_CONNECTION, 0, head_end + 2) < 0:
        at += len(_LENGTH)
        length, stays = _number(received[at : received.index(b"\r\n", at)]), True
    else:
        length, stays = _from_lines(received, head_end)
    body = head_end + len(_HEAD_END)
    if len(received) < body + length:
        return None
    return Reply(int(received[9:12]), body, body + length, stays)


def _from_lines(received: bytes, head_end: int) -> tuple[int, bool]:
    """The length of the body, and whether the connection stays, from headers in any spelling."""
    first, *lines = received[:head_end].split(b"\r\n")
    headers: dict[bytes, bytes] = {}
    for line in lines:
        name, _, value = line.partition(b":")
        headers[name.lower()] = value.strip().lower()
    if b"transfer-encoding" in headers:
        raise Unreadable("a reply has a Transfer-Encoding; only those with a Content-Length are understood")
    connection = headers.get(b"connection", b"")
    stays = b"close" not in connection and (not first.startswith(b"HTTP/1.0") or b"keep-alive" in connection)
    if int(first[9:12]) in _NO_BODY:
        return 0, stays
    if b"content-length" not in headers:
        raise Unreadable(f"a reply has no Content-Length: {received[:_SHOWN_BYTES]!r}")
    return _number(headers[b"content-length"]), stays


def _number(text: bytes) -> int:
    text = text.strip()
    if not text.isdigit() or int(text) > _BODY_BYTES_MAX:
        raise Unreadable(f"a reply has the Content-Length {text[:_SHOWN_BYTES]!r}")
    return int(text)
