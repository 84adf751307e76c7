"""The Redis that is measured: an embedded one, or the benchmarker's own at REDIS_URL."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from bench.harness import RawConnection, clear
from croupier.transport import Address
from croupier_cli.embedded import Valkey

ANY_REDIS: Final = frozenset(
    {
        "test_scripts.py", "test_pull_parts.py", "test_transport.py", "test_codecs.py", "test_http.py",
        "test_http_latency.py", "test_ws.py",
    }
)  # fmt: skip
"""The suites that run at REDIS_URL. The others need Postgres, or fill a server with a million players."""


OPEN_TO_ALL: Final = ("--user", "benchmarks", "on", ">benchmarks", "~*", "&*", "+@all")
"""Arguments for a server in which a benchmark does itself what Croupier's user may not."""


class NotEmpty(Exception):
    """The database at REDIS_URL has keys: benchmarks write to it, and delete what they find under the same names."""


class Target(NamedTuple):
    """A Redis to measure. `pid` is None where it is not ours."""

    url: str
    pid: int | None


def unrestricted(url: str) -> str:
    """The URL of a server started with `OPEN_TO_ALL`, for the user that may do everything."""
    parts = urlsplit(url)
    return parts._replace(netloc=f"benchmarks:benchmarks@{parts.netloc.rpartition('@')[2]}").geturl()


def given_url(environment: Mapping[str, str] = os.environ) -> str:
    """REDIS_URL; empty: embedded servers are to be used."""
    return environment.get("REDIS_URL", "")


def require_empty(redis_url: str) -> None:
    """Raise NotEmpty where there is any key."""
    with contextlib.closing(RawConnection(redis_url)) as raw:
        databases, number = raw.info("keyspace"), Address.from_url(redis_url).database
    counts = databases.get(f"db{number}", "keys=0")  # of the form keys=1,expires=0,...
    keys = int(counts.split(",")[0].removeprefix("keys="))
    if keys:
        raise NotEmpty(
            f"the database at REDIS_URL has {keys:,} keys: benchmarks write to the database that they measure, "
            "and need an empty one"
        )


@contextlib.contextmanager
def target(directory: Path, *, appendonly: bool = True) -> Iterator[Target]:
    """The Redis at REDIS_URL, left as empty as it was; else a Valkey as `croupier up` runs it in that directory."""
    if url := given_url():
        require_empty(url)
        try:
            yield Target(url, None)
        finally:
            with contextlib.closing(RawConnection(url)) as raw:
                clear(raw)
        return
    with Valkey.start(directory, appendonly=appendonly) as valkey:
        yield Target(valkey.url, valkey.pid)


def describe(redis_url: str) -> str:
    """Name and version of the server."""
    with contextlib.closing(RawConnection(redis_url)) as raw:
        lines = raw.info("server")
    if "valkey_version" in lines:
        return f"Valkey {lines['valkey_version']}"
    return f"Redis {lines.get('redis_version', 'of unknown version')}"
