"""Two Redis servers, of which the second is a replica of the first until a test promotes it."""

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import redis

from croupier_cli.embedded import Valkey
from tests.embedded.support import wait_until
from tests.redis_server import administrator, started_valkey
from tests.sync.healed import casino_on
from tests.sync.support import Casino


@dataclass
class Pair:
    """`first` begins as the master of `second`."""

    first: Valkey
    second: Valkey
    database_url: str

    def promote_second(self) -> None:
        """The replica becomes a master with what it has by now, while the first goes on."""
        self.wait_until_in_step()
        with administrator(self.second.url) as replica:
            replica.execute_command("REPLICAOF", "NO", "ONE")

    def wait_until_in_step(self) -> None:
        """Wait until the replica has all that the master has."""
        with administrator(self.first.url) as master, administrator(self.second.url) as replica:
            wait_until(lambda: _offset(master) == _offset(replica))

    @asynccontextmanager
    async def on(self, server: Valkey) -> AsyncIterator[Casino]:
        """The casino with connections to one of the two."""
        async with casino_on(server, self.database_url) as casino:
            yield casino


def _offset(client: redis.Redis) -> int:
    info = client.info("replication")
    assert isinstance(info, dict)
    if info["role"] == "slave" and info["master_link_status"] != "up":
        return -1
    return int(info["master_repl_offset"])


@contextmanager
def started_master(directory: Path, *settings: str) -> Iterator[Valkey]:
    """A server with a port, so that others can follow it. `settings` are further arguments of it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    # A first replica is served at once, and not after the five seconds in which others might come.
    at_once = ("--repl-diskless-sync-delay", "0")
    with started_valkey(directory, port=port, extra=(*at_once, *settings)) as server:
        yield server


@contextmanager
def started_replica(directory: Path, master: Valkey) -> Iterator[Valkey]:
    """A server that follows the other one."""
    port = str(urlsplit(master.url).port)
    with started_valkey(directory, extra=("--replicaof", "127.0.0.1", port)) as server:
        yield server


@contextmanager
def started_pair(directory: Path, database_url: str) -> Iterator[Pair]:
    """Both servers, in step."""
    with (
        started_master(directory / "first") as first,
        started_replica(directory / "second", first) as second,
    ):
        pair = Pair(first, second, database_url)
        # A master gets another replication id with its first replica: not later, in the middle of a test.
        pair.wait_until_in_step()
        yield pair
