"""Starts the workers, starts again those that die, and stops them all in the end."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Final

import structlog
from prometheus_client import multiprocess

from croupier.settings import Settings
from croupier_http.metrics import MULTIPROCESS_VARIABLE
from croupier_http.worker import CONTROL_VARIABLE, EXIT_CANNOT_RUN, shutdown_timeout_s

log = structlog.get_logger(__name__)

_RESTART_PAUSE_MIN_S: Final = 0.1
_RESTART_PAUSE_MAX_S: Final = 5.0
_SETTLED_S: Final = 10.0
"""A worker that lived this long was sound: when it dies, the next one is started after the short pause."""
_STOP_MARGIN_S: Final = 5.0


class Supervisor:
    """Keeps `settings.workers` processes running until a signal comes, or one of them says that it cannot run."""

    def __init__(self, settings: Settings, metrics_directory: Path) -> None:
        self._settings = settings
        self._metrics_directory = metrics_directory
        self._environment = (
            os.environ | _environment(settings) | {MULTIPROCESS_VARIABLE: str(metrics_directory)}
        )
        self._stop = asyncio.Event()
        self._exit_code = 0
        self._not_yet_listening = settings.workers

    async def run(self) -> int:
        """Serve until a signal comes; the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        async with asyncio.TaskGroup() as group:
            for _ in range(self._settings.workers):
                group.create_task(self._keep_one_running())
        return self._exit_code

    async def _keep_one_running(self) -> None:
        pause_s, first = _RESTART_PAUSE_MIN_S, True
        while not self._stop.is_set():
            started_s = time.monotonic()
            code = await self._run_one(first=first)
            if self._stop.is_set():
                return
            if code == EXIT_CANNOT_RUN:
                self._exit_code = EXIT_CANNOT_RUN
                self._stop.set()
                return
            if time.monotonic() - started_s >= _SETTLED_S:
                pause_s = _RESTART_PAUSE_MIN_S
            if code == 0:  # somebody has asked this one to stop, or all of us, and we hear of it in a moment
                log.info("worker stopped; another one follows", pause_s=pause_s)
            else:
                log.error("worker died; another one follows", exit_code=code, pause_s=pause_s)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), pause_s)
            pause_s, first = min(2 * pause_s, _RESTART_PAUSE_MAX_S), False

    async def _run_one(self, *, first: bool) -> int:
        """Run a worker to its end; its exit code."""
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                process = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", "croupier_http.worker",
                    env={**self._environment, CONTROL_VARIABLE: str(theirs.fileno())},
                    stdin=asyncio.subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,  # Ctrl-C reaches the supervisor only, which decides what stops when
                )  # fmt: skip
            ended = asyncio.ensure_future(process.wait())
            listening = asyncio.ensure_future(self._announce(ours, process.pid, first=first))
            stopping = asyncio.ensure_future(self._stop.wait())
            await asyncio.wait([ended, stopping], return_when=asyncio.FIRST_COMPLETED)
            if not ended.done():
                await _stop(process, shutdown_timeout_s(self._settings) + _STOP_MARGIN_S)
            code = await ended
            for task in (listening, stopping):
                task.cancel()
            await asyncio.gather(listening, stopping, return_exceptions=True)
        multiprocess.mark_process_dead(process.pid, str(self._metrics_directory))  # type: ignore[no-untyped-call]
        return code

    async def _announce(self, control: socket.socket, pid: int, *, first: bool) -> None:
        """Say so once a worker listens, and once all do."""
        control.setblocking(False)
        if not await asyncio.get_running_loop().sock_recv(control, 1):
            return
        log.info("worker started", worker_pid=pid)
        if first:
            self._not_yet_listening -= 1
            if self._not_yet_listening == 0:
                settings = self._settings
                host = f"[{settings.http_host}]" if ":" in settings.http_host else settings.http_host
                log.info("listening", url=f"http://{host}:{settings.http_port}", workers=settings.workers)


async def _stop(process: asyncio.subprocess.Process, timeout_s: float) -> None:
    """Ask a worker to finish what it has begun; end it where that takes too long."""
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), timeout_s)
    except TimeoutError:
        log.error("worker did not stop in time", worker_pid=process.pid)
        process.kill()


def _environment(settings: Settings) -> dict[str, str]:
    """The variables from which `Settings.from_environment` makes these settings again."""
    default, variables = Settings(), {}
    for name, variable in zip(Settings.__struct_fields__, Settings.__struct_encode_fields__, strict=True):
        value = getattr(settings, name)
        if value != getattr(default, name):
            variables[variable] = str(int(value)) if isinstance(value, bool) else str(value)
    return variables
