"""Two Valkeys of which one serves, with its log of writes, and the other one is its replica until it takes over."""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import redis

from croupier_cli.embedded import CannotStart, Postgres, Valkey
from tests.chaos.forwarder import Forwarder
from tests.cli.support import free_port
from tests.redis_server import administrator, started_valkey

START_DEADLINE_S: Final = 30.0
_PAUSE_S: Final = 0.05
_SETTINGS: Final = ("--repl-diskless-sync-delay", "0")
_CALL_TIMEOUT_S: Final = 5.0

Started = TypeVar("Started", Valkey, Postgres)


class _Place(NamedTuple):
    """Where one of the two keeps its data, and listens."""

    directory: Path
    port: int


class ValkeyPair:
    """`serving` is the one behind the forwarder. The other one follows it, except while a test says otherwise."""

    def __init__(self, directory: Path, forwarder: Forwarder) -> None:
        self._forwarder = forwarder
        self._place = _Place(directory / "valkey-a", free_port())
        self._other_place = _Place(directory / "valkey-b", free_port())
        self.serving = self._start(self._place)
        self.replica = self._start(self._other_place, master=self._place)
        forwarder.forward_to(self.serving.socket_path)

    # One server.

    def start_serving(self) -> None:
        """Start the one that serves again, on what it left behind."""
        self.serving = self._start(self._place)
        self._forwarder.forward_to(self.serving.socket_path)

    def log_of_writes(self) -> Path:
        """The file to which the one that serves appends what it is told to write."""
        directory = self._place.directory / "appendonlydir"
        (manifest,) = directory.glob("*.manifest")
        lines = (line.split() for line in manifest.read_text().splitlines())
        *_, last = (words[1] for words in lines if words[5] == "i")
        return directory / last

    # Both.

    def wait_for_replica(self) -> float:
        """Wait until the replica has all that had been written when this was called; that time, monotonic."""
        deadline_s = time.monotonic() + START_DEADLINE_S
        with _client(self.serving) as serving, _client(self.replica) as replica:
            at_s, offset = time.monotonic(), int(_info(serving, "replication")["master_repl_offset"])
            while not _is_ready(replica, offset):
                assert time.monotonic() < deadline_s, "the replica does not follow"
                time.sleep(_PAUSE_S / 10)
        return at_s

    def promote_replica(self) -> None:
        """The replica becomes a master with what it has by now, while the other one goes on."""
        with _client(self.replica) as replica:
            replica.execute_command("REPLICAOF", "NO", "ONE")

    def swap(self) -> None:
        """The other one serves from now on. Connections that there are stay with the one they lead to."""
        self.serving, self.replica = self.replica, self.serving
        self._place, self._other_place = self._other_place, self._place
        self._forwarder.forward_to(self.serving.socket_path)

    def demote_other(self) -> None:
        """The one that does not serve becomes the replica of the one that does; what it had is gone."""
        with _client(self.replica) as other:
            other.execute_command("REPLICAOF", "127.0.0.1", str(self._place.port))

    def start_other(self) -> None:
        """Start the one that does not serve, as a replica."""
        self.replica = self._start(self._other_place, master=self._place)

    def stop(self) -> None:
        """Stop both."""
        for server in (self.replica, self.serving):
            server.stop()

    @staticmethod
    def _start(place: _Place, *, master: _Place | None = None) -> Valkey:
        follow = ("--replicaof", "127.0.0.1", str(master.port)) if master else ()
        return started(lambda: started_valkey(place.directory, port=place.port, extra=(*_SETTINGS, *follow)))


def _client(server: Valkey) -> redis.Redis:
    return administrator(
        f"unix://{server.socket_path}", socket_timeout=_CALL_TIMEOUT_S, decode_responses=True
    )


def _info(client: redis.Redis, section: str) -> dict[str, Any]:
    info = client.info(section)
    assert isinstance(info, dict)
    return info


def _is_ready(replica: redis.Redis, offset: int) -> bool:
    """Whether it has all up to there, also in its own log of writes, which it begins anew after a full copy."""
    with suppress(redis.RedisError):
        state, kept = _info(replica, "replication"), _info(replica, "persistence")
        return (
            state["role"] == "slave"
            and state["master_link_status"] == "up"
            and state["slave_repl_offset"] >= offset
            and not (kept["loading"] or kept["aof_rewrite_in_progress"] or kept["aof_rewrite_scheduled"])
        )
    return False


def started(start: Callable[[], Started]) -> Started:
    """A server's processes outlive a kill by a moment, in which it cannot be started again."""
    deadline_s = time.monotonic() + START_DEADLINE_S
    while True:
        try:
            return start()
        except CannotStart:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(_PAUSE_S)


def truncate(log: Path, earliest: int, share: float) -> int:
    """Cut a log of writes to a length between `earliest` and what it has; bytes cut."""
    size = log.stat().st_size
    length = min(size, earliest) + int(share * max(0, size - earliest))
    os.truncate(log, length)
    return size - length
