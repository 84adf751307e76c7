"""Redis URLs: where the server is and how to log in."""

from dataclasses import dataclass, field
from typing import Self
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

_PORT_DEFAULT = 6379


@dataclass(frozen=True, slots=True)
class Address:
    """A parsed Redis URL. Printing it shows neither user name nor password.

    `socket_path` is set for a Unix socket, `host` and `port` otherwise. Without `password` there is no login;
    without `username` it is the default user's.
    """

    host: str = ""
    port: int = 0
    socket_path: str = ""
    tls: bool = False
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
        Raises ValueError, whose message does not quote the URL, since that may hold a password.
        """
        parts = _split(url)
        username, password = unquote(parts.username or ""), unquote(parts.password or "")
        if username and not password:
            raise ValueError("the Redis URL has a user name but no password")
        if parts.scheme == "unix":
            path = unquote(parts.path)
            if not path:
                raise ValueError("the Redis URL has no socket path: expected unix:///path/to/socket")
            return cls(
                socket_path=path, username=username, password=password, database=_database(parts, path="")
            )
        if parts.scheme not in ("redis", "rediss"):
            raise ValueError("the Redis URL must start with redis://, rediss:// or unix://")
        if not parts.hostname:
            raise ValueError("the Redis URL has no host")
        return cls(
            host=parts.hostname,
            port=_port(parts),
            tls=parts.scheme == "rediss",
            username=username,
            password=password,
            database=_database(parts, path=parts.path.strip("/")),
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


def _database(parts: SplitResult, path: str) -> int:
    try:
        options = parse_qs(parts.query, strict_parsing=True, keep_blank_values=True) if parts.query else {}
    except ValueError:
        raise ValueError("the Redis URL's query is malformed") from None
    values = options.pop("db", [])
    if options:
        raise ValueError(f"the Redis URL has unknown options: {', '.join(sorted(options))}")
    if path:
        values.append(path)
    if not values:
        return 0
    if len(values) > 1 or not (values[0].isascii() and values[0].isdigit()):
        raise ValueError("the Redis URL's database is not one number")
    return int(values[0])
