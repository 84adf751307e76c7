"""The tests' Valkeys: Croupier logs in as its restricted user, and tests that do what it may not as an administrator.

No part of the product gets the administrator's URL: `started_valkey` and `login` hand out the restricted user's.
"""

from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import redis

from croupier.permissions import USER
from croupier.transport import Transport
from croupier_cli.embedded import Valkey

PASSWORD: Final = "the-same-on-all-servers-of-the-tests"
ADMINISTRATOR: Final = ("administrator", "of-the-tests-only")

# A server that follows another one logs in there as the administrator too.
_SETTINGS: Final = (
    "--user", ADMINISTRATOR[0], "on", f">{ADMINISTRATOR[1]}", "~*", "&*", "+@all",
    "--masteruser", ADMINISTRATOR[0],
    "--masterauth", ADMINISTRATOR[1],
)  # fmt: skip


def started_valkey(data_dir: Path, *, extra: tuple[str, ...] = (), **options: Any) -> Valkey:
    """`Valkey.start` with an administrator besides. One password for all, so that one can take another's place."""
    return Valkey.start(data_dir, password=PASSWORD, extra=(*_SETTINGS, *extra), **options)


def login(port: int) -> str:
    """The URL for the restricted user of what listens on this port, which may be a proxy."""
    return f"redis://{USER}:{PASSWORD}@127.0.0.1:{port}/0"


def administrator_url(url: str) -> str:
    """The URL of the same server for the administrator, who may do everything."""
    return url_with(":".join(ADMINISTRATOR), url)


def url_with(credentials: str, url: str) -> str:
    """The URL with these credentials, `user:password`, in place of its own; empty: without any."""
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{credentials}@{place}" if credentials else place).geturl()


async def administer(url: str, *command: str | bytes | int) -> Any:
    """The reply to one command of the administrator; the server must be a master."""
    transport = Transport(administrator_url(url))
    await transport.open()
    try:
        return await transport.call(*command)
    finally:
        await transport.close()


def administrator(url: str, **options: Any) -> redis.Redis:
    """A client of that server that may do everything."""
    return redis.Redis.from_url(administrator_url(url), **options)
