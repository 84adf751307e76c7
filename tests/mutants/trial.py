"""Trying one mutation: a copy of the tree, the fault in it, its tests, the verdict."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from tests.mutants.mutation import Mutation, NotThere, mutated

PACKAGE_ROOTS: Final = ("engine", "lua", "http", "sync", "schemas", "cli")

_END_GRACE_S: Final = 10.0
_FAILED: Final = re.compile(r"^FAILED (\S+::.+?)(?: - .*)?$", re.MULTILINE)
_TESTS_FAILED: Final = 1  # pytest's exit code; others say that tests did not run at all
_LINES_TOLD: Final = 15


class Verdict(NamedTuple):
    """What came of it: `caught`, `SURVIVED`, `TIMEOUT`, or `BROKEN` where its tests could not be run.

    `detail` is the test that failed, or why there is no verdict.
    """

    mutation: str
    outcome: str
    detail: str
    seconds: float

    @property
    def is_caught(self) -> bool:
        return self.outcome == "caught"


def attempt(root: Path, mutation: Mutation, timeout_s: float) -> Verdict:
    """Run the mutation's tests on a copy of the tree at `root` that has the fault. `root` itself stays as it is."""
    started_s = time.monotonic()
    with copied(root) as tree:
        try:
            text = mutated(tree, mutation)
        except NotThere as error:
            return Verdict(mutation.name, "BROKEN", str(error), 0.0)
        (tree / mutation.file).write_text(text)
        code, output = run_tests(tree, mutation.tests, mutation.only, timeout_s)
    seconds = time.monotonic() - started_s
    if code is None:
        return Verdict(mutation.name, "TIMEOUT", f"no verdict within {timeout_s:g} s", seconds)
    if code == 0:
        return Verdict(mutation.name, "SURVIVED", "all its tests passed", seconds)
    failed = _FAILED.search(output)
    if code == _TESTS_FAILED and failed:
        return Verdict(mutation.name, "caught", failed[1], seconds)
    return Verdict(mutation.name, "BROKEN", end_of(output), seconds)


def run_tests(tree: Path, tests: Sequence[str], only: str, timeout_s: float) -> tuple[int | None, str]:
    """Run tests of a copied tree up to the first failure: pytest's exit code, None when time was up, and its output."""
    chosen = ["-k", only] if only else []
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:randomly", "--timeout", "0", *chosen]
    directories = [tree, *(tree / name for name in PACKAGE_ROOTS)]
    process = subprocess.Popen(
        [*command, "--basetemp", str(tree.parent / "t"), *tests],
        cwd=tree,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, directories))},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        _end(process)
        return None, ""
    except BaseException:
        _end(process)
        raise
    return process.returncode, output


def _end(process: "subprocess.Popen[str]") -> None:
    """End a run: in good order if it will, so that it stops its servers, which otherwise end with it."""
    process.send_signal(signal.SIGINT)
    try:
        process.communicate(timeout=_END_GRACE_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@contextmanager
def copied(root: Path) -> Iterator[Path]:
    """A copy of the files that git has, or would take, at `root`. Its path is short, as sockets lie beside it."""
    directory = Path(tempfile.mkdtemp(prefix="mutant-"))
    try:
        tree = directory / "tree"
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=root,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for name in filter(None, listed.split("\0")):
            source, target = root / name, tree / name
            if source.is_file():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)
        yield tree
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def end_of(output: str) -> str:
    """The last lines of a run that has no verdict."""
    return "\n".join(output.strip().splitlines()[-_LINES_TOLD:])
