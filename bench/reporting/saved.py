"""Reads the runs that pytest-benchmark has saved."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class NoRun(Exception):
    """There is nothing to report."""


@dataclass(frozen=True)
class Measured:
    """One benchmark of a run. `label` is what it was parametrized with, in words; empty where it was not."""

    suite: str
    test: str
    label: str
    figures: dict[str, Any]

    @property
    def name(self) -> str:
        """What it is called in comparisons."""
        return f"{self.suite}, {self.label or self.test.removeprefix('test_').replace('_', ' ')}"


@dataclass(frozen=True)
class Run:
    """A saved run. `measured_on` says in words what its figures belong to."""

    measured_on: str
    benchmarks: list[Measured]

    def of(self, test: str) -> list[Measured]:
        """The benchmarks of one test, in their order."""
        return [each for each in self.benchmarks if each.test == test]


def saved_runs(directory: Path) -> list[Path]:
    """All saved runs below a directory, the oldest first. Raises NoRun where there is none."""
    found = sorted(directory.glob("*/[0-9]*_*.json"), key=lambda file: file.stat().st_mtime_ns)
    if not found:
        raise NoRun(f"{directory} has no saved run: `make bench` makes one")
    return found


def read(file: Path) -> Run:
    """One run. Raises NoRun for a file that is none."""
    try:
        saved = json.loads(file.read_text("utf-8"))
        return Run(
            _measured_on(saved["machine_info"], saved["datetime"]),
            [_measured(each) for each in saved["benchmarks"] if each["extra_info"]],
        )
    except (OSError, ValueError, KeyError) as error:
        raise NoRun(f"{file} is not a run that pytest-benchmark has saved: {error!r}") from error


def _measured(saved: dict[str, Any]) -> Measured:
    file, _, function = saved["fullname"].rpartition("::")
    test, _, label = function.partition("[")
    suite = Path(file).stem.removeprefix("test_").replace("_", " ")
    return Measured(suite, test, label.removesuffix("]"), saved["extra_info"])


def _measured_on(machine: dict[str, Any], datetime: str) -> str:
    parts = [
        f"{machine['cores']} cores",
        machine["system_release"],
        machine["python"],
        machine["redis"],
        datetime[:10],
    ]
    return ", ".join(parts)
