"""Prometheus' own checker of rules, where there is one."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

_TIMEOUT_S: Final = 60.0


def find_program(name: str) -> str | None:
    """`promtool` or `prometheus`: that on PATH, else that which `install_promtool.sh` has fetched."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return shutil.which(name) or shutil.which(name, path=f"{cache}/croupier")


def promtool(*arguments: str | Path, stdin: str = "") -> str:
    """Run it, and return what it printed. Fails the test where it ends with an error; skips it where there is none."""
    program = find_program("promtool")
    if program is None:
        pytest.skip("no promtool here: sh tests/ops/install_promtool.sh")
    done = subprocess.run(
        [program, *map(str, arguments)],
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout
