"""A Valkey of a test's own, which the test may configure, pause, kill and start again."""

import os
import signal
import socket
from pathlib import Path

from redis.backoff import NoBackoff
from redis.retry import Retry

from croupier_cli.embedded import Valkey
from tests.redis_server import administrator, administrator_url, login, started_valkey


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class OwnServer:
    """It has one port for good. A server started in place of another is empty, or has all that one had answered.

    The latter with `keeps`: each write is on disk before its reply.
    """

    def __init__(self, directory: Path, *, keeps: bool = False) -> None:
        self._directory = directory
        self._keeps = keeps
        self._port = free_port()
        self._running: Valkey | None = None
        self.url = administrator_url(login(self._port))
        self.control = administrator(self.url, retry=Retry(NoBackoff(), 0))

    @property
    def socket_path(self) -> str:
        assert self._running is not None
        return str(self._running.socket_path)

    def start(self) -> None:
        self._running = started_valkey(
            self._directory,
            port=self._port,
            appendonly=self._keeps,
            extra=("--enable-debug-command", "local", "--appendfsync", "always"),
        )

    def pause(self) -> None:
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """End the server, paused or not. Without effect when it has ended."""
        self.control.close()
        if self._running is not None:
            self._running.kill()
            self._running = None

    def _signal(self, number: signal.Signals) -> None:
        assert self._running is not None
        os.kill(self._running.pid, number)
