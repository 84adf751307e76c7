"""Starts ClickHouse's engine behind ClickHouse's HTTP interface, on a directory of its own."""

import http.client
import importlib.util
import os
import secrets
import signal
import sys
from contextlib import ExitStack
from pathlib import Path
from subprocess import Popen
from typing import Final, Self

from croupier_cli.embedded.errors import BinaryMissing, CannotStart, DataDirectoryUnsuitable
from croupier_cli.embedded.lock import DirectoryLock
from croupier_cli.embedded.process import (
    LOOPBACK,
    START_TIMEOUT_S,
    EmbeddedServer,
    ServerLog,
    require_free_port,
    server_process,
    wait_until_ready,
)

DATABASE: Final = "croupier"
USER: Final = "croupier"
PASSWORD_FILE: Final = "password"  # noqa: S105 (its name)
PORT_FILE: Final = "port"
MEMORY_MAX_BYTES: Final = 2 * 2**30
"""What the engine may take by default, merges in the background included."""

_PROGRAM = "croupier_cli.embedded.clickhouse_server"
_PING_TIMEOUT_S = 1.0
_PASSWORD_BYTES = 16


class ClickHouse(EmbeddedServer):
    """A running ClickHouse.

    `url` is for HTTP clients of ClickHouse, with the user, the password that the data directory keeps, and a database
    that the migration makes: `http://croupier:...@127.0.0.1:PORT/croupier`. `port` is that of the loopback address.
    """

    def __init__(self, process: Popen[bytes], resources: ExitStack, *, port: int, password: str) -> None:
        super().__init__(process, signal.SIGTERM, resources)
        self.port = port
        self.url = f"http://{USER}:{password}@{LOOPBACK}:{port}/{DATABASE}"

    @classmethod
    def start(
        cls,
        data_dir: Path,
        *,
        port: int | None = None,
        memory_max_bytes: int = MEMORY_MAX_BYTES,
        start_timeout_s: float = START_TIMEOUT_S,
    ) -> Self:
        """Start on `data_dir`, made if it is missing, and return once the server answers.

        It listens on the loopback address, on `port` or one of its own choice. Who has the password of the data
        directory may ask it anything. Raises `CannotStart`: no engine, directory or port in use, directory unsuitable,
        or the server's own reason.
        """
        if importlib.util.find_spec("chdb") is None:
            raise BinaryMissing(
                "no ClickHouse engine found: pip install 'croupier[analytics]', or set CLICKHOUSE_URL"
            )
        data_dir = data_dir.absolute()
        if port is not None:
            require_free_port(port)
        with ExitStack() as resources:
            lock = resources.enter_context(DirectoryLock.acquire(data_dir))
            password = _password(data_dir)
            (data_dir / PORT_FILE).unlink(missing_ok=True)
            log = ServerLog(data_dir, "clickhouse")
            process = resources.enter_context(
                server_process(
                    [sys.executable, "-m", _PROGRAM, str(data_dir), str(port or 0), str(memory_max_bytes)],
                    lock=lock,
                    log=log,
                    death_signal=signal.SIGTERM,
                    environment={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TZ": "UTC"},
                )
            )
            try:
                wait_until_ready(process, lambda: _answers(data_dir), log=log, timeout_s=start_timeout_s)
            except CannotStart:
                if port is not None:
                    require_free_port(port)  # taken since the check above
                raise
            return cls(process, resources.pop_all(), port=_port(data_dir) or 0, password=password)


def _password(data_dir: Path) -> str:
    """The password of the directory, made at the first start. Raises DataDirectoryUnsuitable."""
    path = data_dir / PASSWORD_FILE
    try:
        if not path.exists():
            new = path.with_suffix(".new")
            new.unlink(missing_ok=True)
            with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
                stream.write(secrets.token_hex(_PASSWORD_BYTES))
            new.rename(path)
        return path.read_text()
    except OSError as error:
        raise DataDirectoryUnsuitable(f"{path} cannot be used: {error.strerror}") from error


def _port(data_dir: Path) -> int | None:
    """Where the server listens; None before it does."""
    try:
        return int((data_dir / PORT_FILE).read_text())
    except FileNotFoundError:
        return None


def _answers(data_dir: Path) -> bool:
    port = _port(data_dir)
    if port is None:
        return False
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=_PING_TIMEOUT_S)
    try:
        connection.request("GET", "/ping")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
