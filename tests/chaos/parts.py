"""The parts of an installation as processes that can be killed, stopped and started again one by one."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeVar

import psutil

from croupier.economy import canonical
from croupier.fairness.seeds import MasterKeys
from croupier_cli.embedded import CannotStart, Postgres, Valkey
from croupier_cli.embedded.process import child_command
from tests.cli.support import command, environment, free_port
from tests.sync.support import generous_economy

DAEMONS: Final = 2
WORKERS: Final = 2
SECRET: Final = "the secret of a chaos run, worth nothing to anybody"
START_DEADLINE_S: Final = 30.0
_PAUSE_S: Final = 0.05
_IS_WORKER: Final = "croupier_http.worker"

Started = TypeVar("Started", Valkey, Postgres)


class Parts:
    """Valkey with its log of writes, Postgres, two sync daemons, and one address with two HTTP workers behind it.

    To be used from one thread that lives as long as the parts: Linux ends them with it.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.valkey = Valkey.start(directory / "valkey")
        self.postgres = Postgres.start(directory / "postgres")
        self.port = free_port()
        economy = directory / "economy.json"
        economy.write_bytes(canonical(generous_economy()))
        self._environment = environment(
            REDIS_URL=self.valkey.url,
            DATABASE_URL=self.postgres.url,
            JWT_SECRET_KEY=SECRET,
            CROUPIER_MASTER_KEYS=MasterKeys.generate(),
            CROUPIER_ECONOMY=str(economy),
            CROUPIER_HTTP_PORT=str(self.port),
            CROUPIER_WORKERS=str(WORKERS),
            CRASH_DB_STRICT="1",
            CROUPIER_COMMAND_TIMEOUT_SECONDS="1",  # shorter than servers are stopped for
            DURABILITY_TIMEOUT="3",
        )
        subprocess.run(command("migrate"), env=self._environment, check=True, capture_output=True)
        self.daemons = [self._child("sync", f"daemon-{number}") for number in range(DAEMONS)]
        self.serve = self._child("serve", "serve")

    def _child(self, name: str, log: str) -> "subprocess.Popen[bytes]":
        with (self._directory / f"{log}.log").open("ab") as output:
            return subprocess.Popen(
                child_command(command(name), signal.SIGTERM, not_root=[]),  # it ends when this process does
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    # Valkey and Postgres.

    def start_valkey(self) -> None:
        """Start it again, on what it left behind."""
        self.valkey = _started(lambda: Valkey.start(self._directory / "valkey"))

    def start_postgres(self) -> None:
        """Start it again, on what it left behind."""
        self.postgres = _started(lambda: Postgres.start(self._directory / "postgres"))

    def log_of_writes(self) -> Path:
        """The file to which Valkey appends what it is told to write."""
        (log,) = (self._directory / "valkey" / "appendonlydir").glob("*.incr.aof")
        return log

    # Daemons and workers.

    def restart_daemon(self, number: int) -> None:
        """Kill -9, and another one in its place."""
        self.daemons[number].kill()
        self.daemons[number].wait()
        self.daemons[number] = self._child("sync", f"daemon-{number}")

    def workers(self) -> list[psutil.Process]:
        """The workers that run; those that were killed are started again by their supervisor."""
        found = []
        for process in psutil.Process(self.serve.pid).children():
            with contextlib.suppress(psutil.Error):
                if _IS_WORKER in process.cmdline():
                    found.append(process)
        return sorted(found, key=lambda process: process.pid)

    def require_running(self) -> None:
        """Nothing has ended that nobody ended."""
        for part in (*self.daemons, self.serve):
            assert part.poll() is None, (
                f"{part.args!r} has ended with {part.returncode}: see {self._directory}"
            )
        assert self.valkey.is_running()
        assert self.postgres.is_running()

    # The end.

    def stop(self) -> None:
        """Stop what runs."""
        for part in (self.serve, *self.daemons):
            with contextlib.suppress(ProcessLookupError):
                part.send_signal(signal.SIGCONT)
            part.terminate()
        for part in (self.serve, *self.daemons):
            try:
                part.wait(START_DEADLINE_S)
            except subprocess.TimeoutExpired:
                part.kill()
                part.wait()
        for server in (self.valkey, self.postgres):
            if server.is_running():
                os.kill(server.pid, signal.SIGCONT)
                server.stop()


@contextlib.contextmanager
def running(directory: Path) -> Iterator[Parts]:
    """The parts, with their data and logs in `directory`."""
    parts = Parts(directory)
    try:
        yield parts
    finally:
        parts.stop()


def _started(start: Callable[[], Started]) -> Started:
    """A server's processes outlive a kill by a moment, in which it cannot be started again."""
    deadline_s = time.monotonic() + START_DEADLINE_S
    while True:
        try:
            return start()
        except CannotStart:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(_PAUSE_S)
