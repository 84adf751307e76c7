"""The request that opens a WebSocket: RFC 6455, section 4.2, and where it may come from."""

import base64
import binascii
import hashlib
from typing import Final

from aiohttp import hdrs, web
from aiohttp.http import HttpVersion11

from croupier.errors import CroupierError
from croupier_http.cors import Cors
from croupier_http.endpoints import single_header
from croupier_http.ws.codecs import CODECS, JSON, Codec

_MAGIC: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_VERSION: Final = "13"


def accept(request: web.BaseRequest, cors: Cors | None) -> tuple[Codec, str]:
    """The codec that both sides know, and the header lines of the answer.

    Raises CroupierError UPGRADE_REQUIRED where it is no such request, MALFORMED_REQUEST where it is a broken one, and
    FORBIDDEN for a page of another site.
    """
    headers = request.headers
    connection = {part.strip().lower() for part in headers.get(hdrs.CONNECTION, "").split(",")}
    if headers.get(hdrs.UPGRADE, "").lower() != "websocket" or "upgrade" not in connection:
        raise CroupierError("UPGRADE_REQUIRED")
    if request.version != HttpVersion11 or request.body_exists:
        # What one server takes for a body, the next would take for frames.
        raise CroupierError("MALFORMED_REQUEST", "A handshake is HTTP/1.1, and has no body.")
    if single_header(headers, hdrs.SEC_WEBSOCKET_VERSION) != _VERSION or request.method != "GET":
        raise CroupierError("MALFORMED_REQUEST", f"Sec-WebSocket-Version: only {_VERSION} is known here.")
    key = single_header(headers, hdrs.SEC_WEBSOCKET_KEY) or ""
    try:
        is_key = len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        is_key = False
    if not is_key:
        raise CroupierError("MALFORMED_REQUEST", "Sec-WebSocket-Key: not 16 bytes in base64.")
    _check_origin(request, cors)
    digest = base64.b64encode(hashlib.sha1(key.encode() + _MAGIC, usedforsecurity=False).digest()).decode()
    lines = f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {digest}\r\n"
    offered = [each.strip() for each in ",".join(headers.getall(hdrs.SEC_WEBSOCKET_PROTOCOL, [])).split(",")]
    known = next((codec for name in offered for codec in CODECS if codec.name == name), None)
    if known is None:
        return JSON, lines
    return known, f"{lines}Sec-WebSocket-Protocol: {known.name}\r\n"


def _check_origin(request: web.BaseRequest, cors: Cors | None) -> None:
    """Browsers let any page open a WebSocket to any host, and say which page it was; other clients say nothing."""
    origin = single_header(request.headers, hdrs.ORIGIN)
    if origin is None:
        return
    host = origin.partition("://")[2].lower()  # empty for `null`, the origin of pages that have none
    own = host and host == request.headers.get(hdrs.HOST, "").lower()
    if not own and not (cors is not None and cors.allows(origin)):
        raise CroupierError("FORBIDDEN", "Pages of this origin may not open a WebSocket here.")
