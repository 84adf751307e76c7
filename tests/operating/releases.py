"""Releases of Croupier side by side: this one, and copies of it that differ as a next release may."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from croupier_cli.embedded.process import child_command
from tests.cli.support import DEADLINE_S, command
from tests.embedded.support import wait_until

ROOT: Final = Path(__file__).parents[2]
_STAGE: Final = Path("lua/croupier_lua/include/gate.lua")
_SWAPPED: Final = ("not_after_ms", "idempotency_ms")


class Release:
    """Code that can be run. Without `directory` it is this checkout; `migrations` are file names and SQL to add.

    A copy hands its scripts two integers in another order, so that no script of one release could be called by another.
    """

    def __init__(self, directory: Path | None = None, migrations: Mapping[str, str] | None = None) -> None:
        self.scripts = (directory or ROOT) / "lua" / "croupier_lua"
        self._path = os.environ.get("PYTHONPATH", "")
        if directory is None:
            return
        for package in ("lua", "schemas"):
            shutil.copytree(ROOT / package, directory / package)
            self._path = os.pathsep.join([str(directory / package), self._path])
        stage = directory / _STAGE
        stage.write_text(_swapped(stage.read_text("utf-8"), *_SWAPPED), "utf-8")
        for name, sql in (migrations or {}).items():
            (directory / "schemas" / "croupier_schemas" / "sql" / name).write_text(sql, "utf-8")

    def run(self, name: str, env: Mapping[str, str]) -> str:
        """Run a command to its end, which must be a good one; what it printed."""
        return subprocess.run(
            command(name), env={**env, "PYTHONPATH": self._path}, check=True, capture_output=True, text=True
        ).stdout

    @contextmanager
    def part(self, name: str, env: Mapping[str, str], log: Path) -> "Iterator[Part]":
        """A command that runs until it is stopped; killed at the end of the block where it was not."""
        with log.open("wb") as output:
            process = subprocess.Popen(
                child_command(command(name), signal.SIGTERM, not_root=[]),  # it ends when this process does
                env={**env, "PYTHONPATH": self._path},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        try:
            yield Part(process, log)
        finally:
            if process.poll() is None:
                process.terminate()
            process.wait(DEADLINE_S)


class Part:
    """A command of a release that runs, and the file of all that it says."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self._process = process
        self._log = log

    def until_said(self, *words: str) -> None:
        """Wait until one line of its log has all these words."""
        wait_until(lambda: self._said(words), DEADLINE_S)

    def stop(self) -> None:
        """Ask it to finish what it has begun and to end, which must be with exit code 0."""
        self._process.terminate()
        assert self._process.wait(DEADLINE_S) == 0, self._log.read_text()

    def _said(self, words: tuple[str, ...]) -> bool:
        assert self._process.poll() is None, self._log.read_text()
        return any(all(word in line for word in words) for line in self._log.read_text().splitlines())


def _swapped(stage: str, first: str, second: str) -> str:
    """The two arguments' declarations in each other's place."""
    lines = stage.splitlines(keepends=True)
    places = [
        next(i for i, line in enumerate(lines) if f"-- @arg {name} " in line) for name in (first, second)
    ]
    lines[places[0]], lines[places[1]] = lines[places[1]], lines[places[0]]
    return "".join(lines)
