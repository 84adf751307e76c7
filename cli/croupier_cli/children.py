"""The commands that `croupier up` runs as child processes: `croupier serve`, `croupier sync`, `croupier export`."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Final

from croupier_cli.embedded import DirectoryLock
from croupier_cli.embedded.process import child_command

STOP_TIMEOUT_S: Final = 25.0
"""Longer than the HTTP workers may take for the requests that they have begun."""

_POLL_INTERVAL_S: Final = 0.02


class Child:
    """`croupier COMMAND` as a child process, which ends with its parent however that ends.

    It has a session of its own, since Ctrl-C in the terminal must reach the parent only; and it inherits the lock, so
    that nothing else starts on the data directory before it has ended.
    """

    def __init__(self, command: str, environment: Mapping[str, str], lock: DirectoryLock) -> None:
        self.name = f"croupier {command}"
        self._process = subprocess.Popen(
            child_command([sys.executable, "-m", "croupier_cli.main", command], signal.SIGTERM, not_root=[]),
            # Not the present directory's modules: that may hold anything.
            env={**os.environ, **environment, "PYTHONSAFEPATH": "1"},
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,
            pass_fds=[lock.fileno()],
            start_new_session=True,
        )

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.exit_code is None

    def stop(self, hurried: Callable[[], bool] = lambda: False) -> None:
        """Ask it to finish what it has begun, and wait for that: until it takes too long, or is `hurried`."""
        if self.exit_code is None:
            self._process.terminate()
        deadline_s = time.monotonic() + STOP_TIMEOUT_S
        while self.exit_code is None and not hurried() and time.monotonic() < deadline_s:
            time.sleep(_POLL_INTERVAL_S)

    def end(self) -> None:
        """Like `stop`, and `kill` where that was not enough."""
        self.stop()
        self.kill()

    def kill(self) -> None:
        """End it at once, where it still runs."""
        if self.exit_code is None:
            self._process.kill()
        self._process.wait()
