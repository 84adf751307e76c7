"""Redis URLs: where the server is, how to log in, and how connections are encrypted."""

import ssl
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

_PORT_DEFAULT = 6379
_TLS_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
"""Options with the names that they have in other clients' URLs."""


@dataclass(frozen=True, slots=True)
class Address:
    """A parsed Redis URL. Printing it shows neither user name nor password.

    `socket_path` is set for a Unix socket, `host` and `port` otherwise. Without `password` there is no login;
    without `username` it is the default user's. `tls` is what connections are encrypted with; None: they are not.
    """

    host: str = ""
    port: int = 0
    socket_path: str = ""
    tls: ssl.SSLContext | None = field(default=None, repr=False, compare=False)
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    database: int = 0

    def __str__(self) -> str:
        if self.socket_path:
            return self.socket_path
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Parse a Redis URL in one of three forms.

        `redis://[[user]:password@]host[:port][/database]`, the same with `rediss://` for TLS, or
        `unix://[[user]:password@]/path[?db=database]`. User name, password and path may be percent-encoded.
        With TLS the server must prove that it is the host, by a certificate from one of the system's authorities, or
        of those in the file that the option `ssl_ca_certs` names; `ssl_certfile` and `ssl_keyfile` name the client's
        own certificate and its key. Raises ValueError, whose message does not quote the URL, since that may hold a
        password; also where one of these files cannot be used.
        """
        parts = _split(url)
        username, password = unquote(parts.username or ""), unquote(parts.password or "")
        options = _options(parts)
        files = {name: options.pop(name) for name in _TLS_FILES if name in options}
        if files and parts.scheme == "redis":
            raise ValueError(f"the Redis URL has {', '.join(files)}, which are for TLS: write rediss://")
        if username and not password:
            raise ValueError("the Redis URL has a user name but no password")
        if parts.scheme == "unix":
            path = unquote(parts.path)
            if not path:
                raise ValueError("the Redis URL has no socket path: expected unix:///path/to/socket")
            return cls(
                socket_path=path, username=username, password=password, database=_database(options, path="")
            )
        if parts.scheme not in ("redis", "rediss"):
            raise ValueError("the Redis URL must start with redis://, rediss:// or unix://")
        if not parts.hostname:
            raise ValueError("the Redis URL has no host")
        return cls(
            host=parts.hostname,
            port=_port(parts),
            tls=_tls(files) if parts.scheme == "rediss" else None,
            username=username,
            password=password,
            database=_database(options, path=parts.path.strip("/")),
        )


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:  # its message quotes what stands where a host should, or all of it
        raise ValueError("the Redis URL is malformed: a password in it is to be percent-encoded") from None


def _port(parts: SplitResult) -> int:
    try:
        port = parts.port
    except (
        ValueError
    ):  # its message quotes the text, which is part of the password when that holds a bare slash
        raise ValueError("the Redis URL's port is not a number from 1 to 65535") from None
    if port == 0:
        raise ValueError("the Redis URL's port is not a number from 1 to 65535")
    return port or _PORT_DEFAULT


def _options(parts: SplitResult) -> dict[str, str]:
    try:
        given = parse_qs(parts.query, strict_parsing=True, keep_blank_values=True) if parts.query else {}
    except ValueError:
        raise ValueError("the Redis URL's query is malformed") from None
    if unknown := sorted(given.keys() - {"db", *_TLS_FILES}):
        raise ValueError(f"the Redis URL has unknown options: {', '.join(unknown)}")
    if twice := [name for name, values in given.items() if len(values) > 1]:
        raise ValueError(f"the Redis URL has {twice[0]} twice")
    return {name: values[0] for name, values in given.items()}


def _database(options: dict[str, str], path: str) -> int:
    values = [value for value in (options.get("db", ""), path) if value]
    if not values:
        return 0
    if len(values) > 1 or not (values[0].isascii() and values[0].isdigit()):
        raise ValueError("the Redis URL's database is not one number")
    return int(values[0])


def _tls(files: dict[str, str]) -> ssl.SSLContext:
    """At least TLS 1.2, as the standard library has it; the host is verified."""
    authorities, certificate = files.get("ssl_ca_certs"), files.get("ssl_certfile")
    if "ssl_keyfile" in files and not certificate:
        raise ValueError("the Redis URL has ssl_keyfile without ssl_certfile")
    try:
        context = ssl.create_default_context(cafile=authorities)
    except OSError as error:
        raise ValueError(f"ssl_ca_certs of the Redis URL: {authorities}: {_reason(error)}") from None
    if certificate:
        try:
            context.load_cert_chain(certificate, files.get("ssl_keyfile"), password=_no_password)
        except (OSError, ValueError) as error:
            raise ValueError(f"ssl_certfile and ssl_keyfile of the Redis URL: {_reason(error)}") from None
    return context


def _no_password() -> str:
    raise ValueError("the key is encrypted, and there is nobody to ask for its password")


def _reason(error: OSError | ValueError) -> str:
    return getattr(error, "strerror", None) or getattr(error, "reason", None) or str(error)
