"""Header lines by which a browser is told what a page, and what is behind its address, may do."""

from typing import Final

EVERY_REPLY: Final = "X-Content-Type-Options: nosniff\r\n"

_FEATURES: Final = (
    "accelerometer", "browsing-topics", "camera", "display-capture", "geolocation", "gyroscope", "magnetometer",
    "microphone", "midi", "payment", "publickey-credentials-get", "screen-wake-lock", "serial", "usb",
)  # fmt: skip
"""What our pages never ask for, so that nothing that got into them may either."""


def page_headers(policy: str) -> str:
    """Header lines of a document, a script or a style sheet, with this Content-Security-Policy.

    X-Frame-Options says once more what `frame-ancestors` says, for browsers too old for it.
    """
    return (
        f"Content-Security-Policy: {policy}\r\n"
        "X-Frame-Options: DENY\r\n"
        "Referrer-Policy: no-referrer\r\n"
        f"Permissions-Policy: {', '.join(f'{feature}=()' for feature in _FEATURES)}\r\n"
        "Cross-Origin-Opener-Policy: same-origin\r\n"
        "Cross-Origin-Resource-Policy: same-origin\r\n"
    )


def reply_headers(hsts_seconds: int) -> str:
    """Header lines of every reply. `hsts_seconds` is how long browsers are to use https only; 0 says nothing of it."""
    if not hsts_seconds:
        return EVERY_REPLY
    return f"{EVERY_REPLY}Strict-Transport-Security: max-age={hsts_seconds}\r\n"
