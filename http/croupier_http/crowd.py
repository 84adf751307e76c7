"""How many connections a worker takes, and what becomes of one more."""

import asyncio
import resource
from typing import Final, cast

from croupier_http.app import App

_OTHER_FILES: Final = 256
"""Open files that are no client's: those of Redis, Postgres, logs and metrics, and connections about to be closed."""


def allow_connections(wanted: int) -> int:
    """Let this process have so many connections, or as many as the system lets it have files for: how many those are.

    Out of files, a worker could not reach Redis or Postgres any more, and a server that cannot accept spins. The limit
    that a process begins with is often 1,024 and may be raised as far as the hard one.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + _OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return wanted if soft == resource.RLIM_INFINITY else max(1, min(wanted, soft - _OTHER_FILES))


class OneTooMany(asyncio.Protocol):
    """A connection for which there is no room: it is told so before it has asked for anything, and closed."""

    def __init__(self, app: App) -> None:
        self._app = app

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        connection = cast(asyncio.Transport, transport)
        connection.write(self._app.refuse_one_too_many())
        connection.close()
