"""Processes forked from one that has imported already what tests start again and again, which saves each the imports.

There is one such process for each that runs tests, and what it imports is therefore listed here, for all of them.
"""

import multiprocessing
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from typing import Any, Final

# Not `croupier_http`, nor what it measures with: that looks at the environment when it is imported.
_IMPORTED: Final = (
    "tests.sync.killed",
    "tests.sync.process",
    "aiohttp",
    "cyclopts",
    "jwt",
    "rich.console",
    "rich.markdown",
    "rich.table",
)

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(list(_IMPORTED))


def start_forked(target: Callable[..., None], *arguments: Any) -> ForkServerProcess:
    """Call it in a process of its own, which is to be ended and joined."""
    process = _processes.Process(target=target, args=arguments)
    process.start()
    return process


def run_forked(target: Callable[..., None], *arguments: Any, timeout_s: float | None = None) -> int | None:
    """Call it in a process of its own; the exit code, negative for a signal. After `timeout_s` it is killed."""
    process = start_forked(target, *arguments)
    process.join(timeout_s)
    if process.is_alive():
        process.kill()
        process.join()
    return process.exitcode
