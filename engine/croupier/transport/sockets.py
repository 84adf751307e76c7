"""Opening a connection to a Redis address, over TLS where its URL says so, and what is said when TLS fails."""

import asyncio
import re
import ssl
from pathlib import Path
from typing import Final

from croupier.transport.address import Address

_ASKED_FOR_TLS: Final = "; with rediss:// it must speak TLS on this port"
_ASKED_FOR_PLAIN: Final = "; if it speaks TLS, REDIS_URL must begin with rediss://"

# OpenSSL's numbers of X.509 errors: the certificate is for another name, or for another IP address.
NAME_ERRORS: Final = frozenset({62, 64})
# The server spoke, and not TLS.
_NO_TLS: Final = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"})
_CLIENT_CERTIFICATE: Final = "a client certificate (REDIS_SSL_CERTFILE, REDIS_SSL_KEYFILE)"
# How a server ends a handshake without a reason: TLS 1.2 has none for a certificate that is missing.
_ENDED: Final = (
    "ALERT_HANDSHAKE_FAILURE", "closed the connection", "was closed", "reset by peer", "ConnectionReset",
    "UNEXPECTED_EOF",
)  # fmt: skip
_NO_REDIS: Final = "is not the Redis protocol"
_LINE_OF_C: Final = re.compile(r" \(_ssl\.c:[0-9]+\)")
_BAD_CLIENT_CERTIFICATE: Final = (
    "UNKNOWN_CA",
    "ALERT_BAD_CERTIFICATE",
    "CERTIFICATE_EXPIRED",
    "DECRYPT_ERROR",
)


def client_context(cafile: str = "", certfile: str = "", keyfile: str = "") -> ssl.SSLContext:
    """TLS 1.2 or later to a server whose certificate is for its host and comes from one of the authorities in `cafile`.

    Without `cafile` those are the system's; without `certfile` the client shows no certificate. Files are in PEM.
    Raises ValueError with a line that names the file.
    """
    for file in filter(None, (cafile, certfile, keyfile)):
        _require_readable(file)
    try:
        context = ssl.create_default_context(cafile=cafile or None)
    except (ssl.SSLError, OSError) as error:
        raise ValueError(f"{cafile} holds no certificates in PEM") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if certfile:
        try:
            # Without a password at hand OpenSSL would ask the terminal for that of an encrypted key.
            context.load_cert_chain(certfile, keyfile, password=lambda: b"")
        except (ssl.SSLError, OSError) as error:
            raise ValueError(
                f"{certfile} and {keyfile} are no certificate and its key in PEM without a password"
            ) from error
    return context


def _require_readable(file: str) -> None:
    try:
        with Path(file).open("rb") as opened:
            opened.read(1)
    except (OSError, ValueError) as error:
        raise ValueError(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}") from None


def context_for(address: Address, context: ssl.SSLContext | None) -> ssl.SSLContext | None:
    """The `ssl` of asyncio: `context`, or one with the system's authorities; None for a plain connection."""
    return (context or client_context()) if address.tls else None


def why_not(error: BaseException, address: Address) -> str:
    """Why there is no connection, as the end of a line that begins with the address."""
    # The transport's errors wrap what the event loop said, and that is not always kept as an exception.
    text = _LINE_OF_C.sub("", str(error) or type(error).__name__)
    reason = getattr(error, "reason", "") or ""
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in NAME_ERRORS:
            return f"its certificate is not for the host {address.host}"
        return f"its certificate is not trusted: {error.verify_message} (REDIS_SSL_CAFILE)"
    if address.tls and (reason in _NO_TLS or isinstance(error, TimeoutError)):
        return f"{text if isinstance(error, TimeoutError) else 'what it answered is not TLS'}{_ASKED_FOR_TLS}"
    if address.tls and "CERTIFICATE_REQUIRED" in text:
        return f"it demands {_CLIENT_CERTIFICATE}"
    if address.tls and any(alert in text for alert in _BAD_CLIENT_CERTIFICATE):
        return "it does not accept the client certificate (REDIS_SSL_CERTFILE)"
    if address.tls and any(words in text for words in _ENDED):
        return f"{text}; it may demand {_CLIENT_CERTIFICATE}"
    if not address.tls and not address.socket_path and any(words in text for words in (*_ENDED, _NO_REDIS)):
        return f"{text}{_ASKED_FOR_PLAIN}"
    return text


async def open_streams(
    address: Address, context: ssl.SSLContext | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to read from and write to. Raises OSError."""
    if address.socket_path:
        return await asyncio.open_unix_connection(address.socket_path)
    return await asyncio.open_connection(address.host, address.port, ssl=context_for(address, context))


async def open_protocol(address: Address, protocol: asyncio.Protocol, context: ssl.SSLContext | None) -> None:
    """Connect the protocol. Raises OSError."""
    loop = asyncio.get_running_loop()
    if address.socket_path:
        await loop.create_unix_connection(lambda: protocol, address.socket_path)
        return
    tls = context_for(address, context)
    await loop.create_connection(lambda: protocol, address.host, address.port, ssl=tls)
