"""The lock that keeps two servers off one data directory."""

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from croupier_cli.embedded.errors import DataDirectoryInUse, DataDirectoryUnsuitable

LOCK_FILE = "lock"
_POLL_INTERVAL_S = 0.02


class DirectoryLock:
    """An exclusive lock on a directory, held from `acquire` to `release`.

    It is a flock on the file `lock` in the directory, which also holds the pid of the launcher. A flock
    belongs to the open file, and the server inherits that file: so the directory stays locked until the last
    process of the server has ended, even when the launcher was killed and its server is still writing.
    """

    def __init__(self, directory: Path, descriptor: int) -> None:
        self.directory = directory
        self._descriptor = descriptor

    @classmethod
    def acquire(cls, directory: Path, *, ending_server_timeout_s: float = 30.0) -> Self:
        """Create the directory (mode 0700) if need be and lock it.

        A lock held by a living launcher is refused at once. One held only by a server whose launcher has gone
        is waited for, up to `ending_server_timeout_s`, because that server is about to end.

        Raises `DataDirectoryInUse`, or `DataDirectoryUnsuitable` if it cannot be made or written.
        """
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(directory / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise DataDirectoryUnsuitable(
                f"the data directory {directory} cannot be used: {error.strerror}"
            ) from error
        try:
            _wait_for_lock(directory, descriptor, ending_server_timeout_s)
            _write_holder(descriptor, str(os.getpid()))
        except BaseException:
            os.close(descriptor)
            raise
        return cls(directory, descriptor)

    def fileno(self) -> int:
        """The descriptor that a server has to inherit."""
        return self._descriptor

    def release(self) -> None:
        """Give the lock up; processes that inherited it keep it until they end."""
        # Never LOCK_UN: it would also take the lock from the processes that share this open file.
        _write_holder(self._descriptor, "")
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def _wait_for_lock(directory: Path, descriptor: int, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _read_holder(descriptor)
            if holder is not None and _is_alive(holder):
                raise DataDirectoryInUse(
                    f"the data directory {directory} is in use by process {holder}"
                ) from None
        else:
            return
        if time.monotonic() > deadline:
            launcher = f"process {holder}" if holder is not None else "an earlier start"
            raise DataDirectoryInUse(
                f"the data directory {directory} is in use by a server that {launcher} has left running"
            )
        time.sleep(_POLL_INTERVAL_S)


def _write_holder(descriptor: int, holder: str) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, holder.encode(), 0)


def _read_holder(descriptor: int) -> int | None:
    text = os.pread(descriptor, 32, 0)
    return int(text) if text.isdigit() else None


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
