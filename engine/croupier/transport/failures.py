"""Why there is no connection to a Redis: errors of TLS, as a line that says what to change."""

import re
import ssl
from typing import Final

from croupier.transport.address import Address

_NEEDS_TLS: Final = "; with rediss:// it must speak TLS on this port"
_NEEDS_PLAIN: Final = "; if it speaks TLS, REDIS_URL must begin with rediss://"
_CLIENT_CERTIFICATE: Final = "a client certificate (ssl_certfile in REDIS_URL)"

# OpenSSL's numbers of X.509 errors: the certificate is for another name, or for another IP address.
_NAME_ERRORS: Final = frozenset({62, 64})
# The server spoke, and not TLS.
_NO_TLS: Final = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"})
# How a server ends a handshake without a reason: TLS 1.2 has none for a certificate that is missing.
_ENDED: Final = (
    "ALERT_HANDSHAKE_FAILURE", "closed the connection", "was closed", "reset by peer", "ConnectionReset",
    "UNEXPECTED_EOF",
)  # fmt: skip
_BAD_CLIENT_CERTIFICATE: Final = (
    "UNKNOWN_CA",
    "ALERT_BAD_CERTIFICATE",
    "CERTIFICATE_EXPIRED",
    "DECRYPT_ERROR",
)
_NO_REDIS: Final = "is not the Redis protocol"
_LINE_OF_C: Final = re.compile(r" \(_ssl\.c:[0-9]+\)")


def why_unverified(error: ssl.SSLCertVerificationError, authorities: str) -> str:
    """Why a server has not proved who it is. `authorities` names where those are set that may issue its certificate."""
    line = f"certificate verify failed: {error.verify_message.rstrip('.')}"
    return line if error.verify_code in _NAME_ERRORS else f"{line} ({authorities})"


def why_not_connected(error: BaseException, address: Address) -> str:
    """The error in a line. The transport wraps what the event loop said, which is not always kept as an exception."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return why_unverified(error, "ssl_ca_certs in REDIS_URL")
    text = _LINE_OF_C.sub("", str(error) or type(error).__name__)
    if address.tls is None:
        is_tls_perhaps = not address.socket_path and any(words in text for words in (*_ENDED, _NO_REDIS))
        return f"{text}{_NEEDS_PLAIN}" if is_tls_perhaps else text
    if isinstance(error, TimeoutError):
        return f"{text}{_NEEDS_TLS}"
    if getattr(error, "reason", None) in _NO_TLS:
        return f"what it answered is not TLS{_NEEDS_TLS}"
    if "CERTIFICATE_REQUIRED" in text:
        return f"it demands {_CLIENT_CERTIFICATE}"
    if any(alert in text for alert in _BAD_CLIENT_CERTIFICATE):
        return f"it does not accept {_CLIENT_CERTIFICATE}"
    if any(words in text for words in _ENDED):
        return f"{text}; it may demand {_CLIENT_CERTIFICATE}"
    return text
