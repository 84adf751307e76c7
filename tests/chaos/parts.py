"""The parts of an installation as processes that can be killed, stopped and started again one by one."""

import contextlib
import os
import secrets
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import psutil

from croupier.economy import canonical
from croupier_cli.embedded import Postgres
from croupier_cli.embedded.process import child_command
from tests.chaos.forwarder import Forwarder
from tests.chaos.servers import START_DEADLINE_S, ValkeyPair, started
from tests.cli.support import command, environment, free_port
from tests.embedded.support import query
from tests.redis_server import login
from tests.sync.support import generous_economy

DAEMONS: Final = 2
WORKERS: Final = 2
MASTER_KEY_ID: Final = 1
SECRET: Final = "the secret of a chaos run, worth nothing to anybody"
_IS_WORKER: Final = "croupier_http.worker"
EVENT_TABLES: Final = ("events", "mirror", "partitions", "heals")
PROJECTED_TABLES: Final = ("wallet_ledger", "game_history")
# What Postgres says of a full disk, said of what the daemon writes. A disk that is really full takes a file system of
# its own, which not everybody who runs tests may make.
_FULL_DISK: Final = (
    "CREATE SCHEMA chaos",
    "CREATE TABLE chaos.full_for (name text NOT NULL)",
    """
    CREATE FUNCTION chaos.extend_file() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF EXISTS (SELECT FROM chaos.full_for WHERE name = TG_TABLE_NAME) THEN
        RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full';
      END IF;
      RETURN NULL;
    END $$
    """,
    *(
        f"CREATE TRIGGER extend_file BEFORE INSERT OR UPDATE ON {table} EXECUTE FUNCTION chaos.extend_file()"
        for table in (*EVENT_TABLES, *PROJECTED_TABLES)
    ),
)


class Parts:
    """Two Valkeys, Postgres, two sync daemons, and one address with two HTTP workers behind it.

    Daemons and workers reach the servers through forwarders. To be used from one thread that lives as long as the
    parts: Linux ends them with it.
    """

    def __init__(self, directory: Path, resources: contextlib.ExitStack) -> None:
        self._directory = directory
        self.to_valkey = resources.enter_context(Forwarder())
        self.to_postgres = resources.enter_context(Forwarder())
        self.valkeys = ValkeyPair(directory, self.to_valkey)
        resources.callback(self.valkeys.stop)
        self.start_postgres()
        resources.callback(self._stop_postgres)
        self.port = free_port()
        self.master_key = secrets.token_bytes(32)
        economy = directory / "economy.json"
        economy.write_bytes(canonical(generous_economy()))
        self._environment = environment(
            REDIS_URL=login(self.to_valkey.port),
            DATABASE_URL=f"postgresql://croupier@127.0.0.1:{self.to_postgres.port}/croupier",
            JWT_SECRET_KEY=SECRET,
            CROUPIER_MASTER_KEYS=f"{MASTER_KEY_ID}:{self.master_key.hex()}",
            CROUPIER_ECONOMY=str(economy),
            CROUPIER_HTTP_PORT=str(self.port),
            CROUPIER_WORKERS=str(WORKERS),
            CRASH_DB_STRICT="1",
            CROUPIER_COMMAND_TIMEOUT_SECONDS="1",  # shorter than servers are stopped for
            DURABILITY_TIMEOUT="3",
        )
        subprocess.run(command("migrate"), env=self._environment, check=True, capture_output=True)
        query(self.postgres.url, *_FULL_DISK, "SELECT 1")
        self.daemons = [self._child("sync", f"daemon-{number}") for number in range(DAEMONS)]
        self.serve = self._child("serve", "serve")
        resources.callback(self._stop_children)

    def _child(self, name: str, log: str) -> "subprocess.Popen[bytes]":
        with (self._directory / f"{log}.log").open("ab") as output:
            return subprocess.Popen(
                child_command(command(name), signal.SIGTERM, not_root=[]),  # it ends when this process does
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    # Postgres.

    def start_postgres(self) -> None:
        """Start it, on what it left behind."""
        self.postgres = started(lambda: Postgres.start(self._directory / "postgres"))
        self.to_postgres.forward_to(self.postgres.socket_path)

    def postgres_processes(self) -> list[int]:
        """The ids of the server's processes."""
        server = psutil.Process(self.postgres.pid)
        return [server.pid, *(child.pid for child in server.children(recursive=True))]

    @contextlib.contextmanager
    def disk_full(self, tables: Sequence[str]) -> Iterator[None]:
        """While the block runs, Postgres refuses what is written to these tables, as for want of space."""
        names = ", ".join(f"('{table}')" for table in tables)
        query(self.postgres.url, f"INSERT INTO chaos.full_for VALUES {names}", "SELECT 1")
        try:
            yield
        finally:
            query(self.postgres.url, "DELETE FROM chaos.full_for", "SELECT 1")

    # Daemons and workers.

    def restart_daemon(self, number: int) -> None:
        """Kill -9, and another one in its place."""
        self.daemons[number].kill()
        self.daemons[number].wait()
        self.daemons[number] = self._child("sync", f"daemon-{number}")

    def workers(self) -> list[psutil.Process]:
        """The workers that run; those that have ended are started again by their supervisor."""
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
        assert self.valkeys.serving.is_running()
        assert self.valkeys.replica.is_running()
        assert self.postgres.is_running()

    # The end.

    def _stop_children(self) -> None:
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

    def _stop_postgres(self) -> None:
        if self.postgres.is_running():
            for pid in self.postgres_processes():
                os.kill(pid, signal.SIGCONT)
            self.postgres.stop()


@contextlib.contextmanager
def running(directory: Path) -> Iterator[Parts]:
    """The parts, with their data and logs in `directory`."""
    with contextlib.ExitStack() as resources:
        yield Parts(directory, resources)
