"""What the launchers share: a server's process, its socket, its log, its end."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from croupier_cli.embedded.errors import CannotStart, DataDirectoryUnsuitable, PortInUse
from croupier_cli.embedded.lock import DirectoryLock

LOOPBACK = "127.0.0.1"
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0
# The address of a unix socket holds 104 bytes on macOS and 108 on Linux, the final zero included.
SOCKET_PATH_BYTES_MAX = 103

_CHILD_PROGRAM = Path(__file__).with_name("child.py")
_POLL_INTERVAL_S = 0.01


class EmbeddedServer:
    """A running server. Leaving its `with` block stops it; starting again on its directory finds the data.

    Start it from a thread that outlives it, such as the main one: Linux takes the end of the thread that
    started a process for the end of the launcher, and shuts the server down.
    """

    def __init__(
        self, process: subprocess.Popen[bytes], stop_signal: signal.Signals, resources: ExitStack
    ) -> None:
        self._process = process
        self._stop_signal = stop_signal
        self._resources = resources

    @property
    def pid(self) -> int:
        return self._process.pid

    def is_running(self) -> bool:
        """Whether the process has not ended, by itself or otherwise."""
        return self._process.poll() is None

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> int:
        """Shut the server down cleanly, or with SIGKILL after `timeout_s`. May be called again.

        Returns its exit code: 0 after a clean shutdown, -9 after SIGKILL.
        """
        if self.is_running():
            self._process.send_signal(self._stop_signal)
            try:
                self._process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
        return self._close()

    def kill(self) -> int:
        """End the server with SIGKILL, as a crash would; its children end on their own a moment later."""
        self._process.kill()
        return self._close()

    def _close(self) -> int:
        exit_code = self._process.wait()
        self._resources.close()
        return exit_code

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class ServerLog:
    """The file that takes a server's output; `reason` reads what was added since this object was made."""

    def __init__(self, data_dir: Path, server: str) -> None:
        self.server = server
        self.path = data_dir / f"{server}.log"
        self._begin = self.path.stat().st_size if self.path.exists() else 0

    def reason(self) -> str:
        """Why the server did not start, in its own words."""
        with self.path.open("rb") as stream:
            stream.seek(self._begin)
            return _last_line(stream.read().decode(errors="replace"))


@contextmanager
def server_process(
    command: Sequence[str],
    *,
    lock: DirectoryLock,
    log: ServerLog,
    death_signal: signal.Signals,
    environment: Mapping[str, str] | None = None,
    not_root: Sequence[Path] = (),
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server that appends its output to the log; it is killed if it still runs at the end.

    It inherits the lock, and has a session of its own: Ctrl-C in the terminal reaches the launcher only,
    which decides in what order things stop. `not_root` as in `child_command`.
    """
    with log.path.open("ab") as output:
        process = subprocess.Popen(
            child_command(command, death_signal, not_root),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=lock.directory,
            env=environment,
            pass_fds=[lock.fileno()],
            start_new_session=True,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def run_to_end(
    command: Sequence[str],
    *,
    lock: DirectoryLock,
    environment: Mapping[str, str],
    not_root: Sequence[Path],
    input_text: str = "",
) -> None:
    """Run a program that prepares a data directory; raises `CannotStart` with its last line when it fails."""
    result = subprocess.run(
        child_command(command, signal.SIGTERM, not_root),
        input=input_text,
        capture_output=True,
        text=True,
        errors="replace",
        cwd=lock.directory,
        env=environment,
        pass_fds=[lock.fileno()],
        start_new_session=True,
        check=False,
    )
    if result.returncode != 0:
        program = Path(command[0]).name
        raise CannotStart(f"{program} failed for {lock.directory}: {_last_line(result.stderr)}")


def child_command(
    command: Sequence[str], death_signal: signal.Signals, not_root: Sequence[Path]
) -> list[str]:
    """The command line that runs `command` by way of `child.py`.

    With `not_root` the command runs as another user when the launcher is root, and those directories are its
    own.
    """
    child = [sys.executable, "-I", "-S", str(_CHILD_PROGRAM), str(os.getpid()), str(int(death_signal))]
    return [*child, *map(str, not_root), "--", *command]


def wait_until_ready(
    process: subprocess.Popen[bytes], is_ready: Callable[[], bool], *, log: ServerLog, timeout_s: float
) -> None:
    """Return once `is_ready()`; raises `CannotStart` when the process ends first, or after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not is_ready():
        if process.poll() is not None:
            raise CannotStart(f"{log.server} ended while starting: {log.reason()} (log: {log.path})")
        if time.monotonic() > deadline:
            raise CannotStart(
                f"{log.server} did not answer within {timeout_s:g} s: {log.reason()} (log: {log.path})"
            )
        time.sleep(_POLL_INTERVAL_S)


@contextmanager
def socket_directory(data_dir: Path, socket_name: str) -> Iterator[Path]:
    """An empty directory of mode 0700 for a server's unix socket.

    It is `socket` in the data directory; or a temporary one, removed afterwards, where that path is longer
    than the address of a socket can be, or has a comma, which separates the hosts of a Postgres URL.
    """
    directory = data_dir / "socket"
    if len(os.fsencode(directory / socket_name)) > SOCKET_PATH_BYTES_MAX or "," in str(directory):
        with tempfile.TemporaryDirectory(prefix="croupier-", ignore_cleanup_errors=True) as temporary:
            yield Path(temporary)
        return
    # What is in it is from a server that was killed: the lock on the data directory says that it has ended.
    shutil.rmtree(directory, ignore_errors=True)
    try:
        directory.mkdir(mode=0o700)
    except OSError as error:
        raise DataDirectoryUnsuitable(f"{directory} cannot be made: {error.strerror}") from error
    yield directory


def require_free_port(port: int) -> None:
    """Raise `PortInUse` if something listens on the loopback port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As the servers do: connections that linger from an earlier server do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            raise PortInUse(f"port {port} on {LOOPBACK} cannot be used: {error.strerror}") from error


def _last_line(text: str) -> str:
    """The line that says why a program ended: the last one marked as an error, else the last one."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if any(mark in line for mark in ("FATAL:", "PANIC:", "error:"))]
    return (errors or lines or ["it said nothing"])[-1]
