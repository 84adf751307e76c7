"""Postgres URLs: whether one can be read at all. asyncpg reads them, and its errors quote what it could not read."""

import ssl
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, urlsplit

_FORM: Final = "postgresql://user:password@host:5432/database"
_FILES: Final = ("sslrootcert", "sslcert", "sslkey", "sslcrl")
_ENCODE: Final = "with %2F %3F %23 %40 %5B for / ? # @ [ in a user name or password"


def why_unusable(url: str) -> str:
    """Why it is no Postgres URL, without any part of it, since that may be of a password; empty where it is one.

    A password with a bare slash ends the part of the URL that it is in, and what stands before the slash would be
    taken for a port.
    """
    try:
        parts = urlsplit(url)
        readable = all(map(_has_port, parts.netloc.rpartition("@")[2].split(",")))
        if parts.query:
            parse_qsl(parts.query, strict_parsing=True, keep_blank_values=True)
    except ValueError:
        readable = False
    else:
        if parts.scheme not in ("postgresql", "postgres"):
            return "must begin with postgresql://"
        readable = readable and not parts.fragment and "@" not in parts.path
    return "" if readable else f"must look like {_FORM}, {_ENCODE}"


def why_no_tls(url: str) -> str:
    """Why the files that a readable URL names for TLS cannot be used; empty where they can, and where it names none.

    asyncpg would look at them at each connection, and not say which it is.
    """
    options = dict(parse_qsl(urlsplit(url).query))
    for name in _FILES:
        if not (file := options.get(name, "")):
            continue
        try:
            Path(file).read_bytes()
            if name == "sslrootcert":
                ssl.create_default_context(cafile=file)
        except ssl.SSLError:
            return f"{name} is {file}, which holds no certificates in PEM"
        except (OSError, ValueError) as error:
            return f"{name} is {file}, which cannot be read: {getattr(error, 'strerror', None) or error}"
    return ""


def _has_port(host: str) -> bool:
    """Whether what follows the host, if anything does, is the number of a port."""
    bare = host.rpartition("]")[2] if host.startswith("[") else host
    _, colon, port = bare.partition(":")
    return not colon or (port.isascii() and port.isdigit() and 0 < int(port) <= 65535)
