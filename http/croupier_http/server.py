"""`croupier serve`: one address, and behind it as many workers as asked for."""

import asyncio
import contextlib
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from croupier.plain import warn_of_plain_connections
from croupier.settings import Settings, SettingsError
from croupier_http import error_reports, logs
from croupier_http.checks import CannotServe
from croupier_http.metrics import MULTIPROCESS_VARIABLE
from croupier_http.preflight import preflight
from croupier_http.supervisor import Supervisor
from croupier_http.worker import EXIT_CANNOT_RUN, run_worker

__all__ = ["AddressUnavailable", "reserve_port", "run", "run_worker"]


class AddressUnavailable(CannotServe):
    """The address cannot be listened on."""


def run(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT. Returns the exit code: 0, or 2 where the server cannot run as asked.

    To be called in the main thread. What prevents the start is one line on standard error, and no worker was started by
    then; only a Redis that comes later and proves unsuitable ends the workers again.
    """
    logs.configure(settings.log_level)
    try:
        error_reports.start(settings)
        with reserve_port(settings.http_host, settings.http_port) as port, _metrics_directory() as directory:
            asyncio.run(preflight(settings))
            warn_of_plain_connections(settings)
            settings = msgspec.structs.replace(settings, http_port=port, workers=_workers(settings))
            return asyncio.run(Supervisor(settings, directory).run())
    except (SettingsError, CannotServe) as error:
        sys.stderr.write(f"croupier: {error}\n")
        return EXIT_CANNOT_RUN


def _workers(settings: Settings) -> int:
    """How many workers to start. In deterministic mode the clock that requests set is one worker's."""
    if not settings.deterministic_seed:
        return settings.workers or _cores()
    if settings.workers > 1:
        raise SettingsError(
            "CROUPIER_DETERMINISTIC_SEED needs CROUPIER_WORKERS=1, because requests set the clock"
        )
    return 1


@contextlib.contextmanager
def reserve_port(host: str, port: int) -> Iterator[int]:
    """Hold the port for the workers while the block runs; its number, which for port 0 the system chooses.

    The workers share the port among themselves (SO_REUSEPORT), and would not notice another server that does the same.
    Raises AddressUnavailable.
    """
    with contextlib.ExitStack() as sockets:
        try:
            family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            with socket.socket(family, socket.SOCK_STREAM) as exclusive:
                exclusive.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                exclusive.bind(address)
                address = exclusive.getsockname()
            shared = sockets.enter_context(socket.socket(family, socket.SOCK_STREAM))
            shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            shared.bind(address)
        except OSError as error:
            raise AddressUnavailable(f"cannot listen on {host}:{port}: {error.strerror}") from error
        yield int(address[1])


@contextlib.contextmanager
def _metrics_directory() -> Iterator[Path]:
    """Where the workers keep their metrics: the directory named by the environment, or one for this run."""
    named = os.environ.get(MULTIPROCESS_VARIABLE)
    directory = Path(named or tempfile.mkdtemp(prefix="croupier-metrics-"))
    directory.mkdir(parents=True, exist_ok=True)
    try:
        for left_over in directory.glob("*.db"):
            left_over.unlink()
        yield directory
    finally:
        if not named:
            shutil.rmtree(directory, ignore_errors=True)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
