"""Reading request bodies: JSON only, bounded in size and in time."""

import asyncio
from typing import Final

from aiohttp import hdrs, web

from croupier.errors import CroupierError
from croupier_http.replies import JSON

BODY_BYTES_MAX: Final = 64 * 1024
BODY_TIMEOUT_S: Final = 10.0
"""How long the body may take to arrive once the headers are there."""

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


async def read_body(request: web.BaseRequest, timeout_s: float, bytes_max: int = BODY_BYTES_MAX) -> bytes:
    """The body of a request whose media type is JSON; without a body, the media type may be missing too.

    Raises CroupierError UNSUPPORTED_MEDIA_TYPE, PAYLOAD_TOO_LARGE, REQUEST_TIMEOUT, or MALFORMED_REQUEST where the
    body breaks off or is not what its headers say.
    """
    content, headers = request.content, request.headers
    media_type = headers.get(hdrs.CONTENT_TYPE)
    if media_type != JSON and not (media_type is None and not request.body_exists):
        _check_media_type(media_type)
    if (request.content_length or 0) > bytes_max:
        raise _too_large(bytes_max)
    try:
        # Nearly always the body came in the same segment as its headers, and waiting for it would cost a timer.
        body = content.read_nowait() if content.is_eof() else await _await_body(request, timeout_s, bytes_max)
    except (web.RequestPayloadError, OSError) as error:
        raise CroupierError("MALFORMED_REQUEST", "The body breaks off or breaks its framing.") from error
    if len(body) > bytes_max:
        raise _too_large(bytes_max)
    if body and (
        hdrs.CONTENT_ENCODING in headers
        or headers.get(hdrs.TRANSFER_ENCODING, "chunked").lower() != "chunked"
    ):
        raise CroupierError("UNSUPPORTED_MEDIA_TYPE", "The body must not be compressed.")
    return body


def _check_media_type(header: str | None) -> None:
    """Accept parameters, of which only the character set has a meaning, and only UTF-8 is JSON."""
    media_type, *parameters = (part.strip().lower() for part in (header or "").split(";"))
    if media_type != JSON or not set(parameters) <= {"charset=utf-8", 'charset="utf-8"', ""}:
        raise CroupierError("UNSUPPORTED_MEDIA_TYPE")


def _too_large(bytes_max: int) -> CroupierError:
    return CroupierError("PAYLOAD_TOO_LARGE", f"The body is larger than {bytes_max // 1024} KiB.")


async def _await_body(request: web.BaseRequest, timeout_s: float, bytes_max: int) -> bytes:
    if request.headers.get(hdrs.EXPECT, "").lower() == "100-continue":
        await request.writer.write(_CONTINUE)
    body = bytearray()
    try:
        async with asyncio.timeout(timeout_s):
            while len(body) <= bytes_max and (chunk := await request.content.readany()):
                body += chunk
    except TimeoutError:
        raise CroupierError("REQUEST_TIMEOUT", f"The body did not arrive within {timeout_s:g} s.") from None
    return bytes(body)
