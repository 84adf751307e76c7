"""Prints the part of requirements.lock that some requirements need, versions and hashes as they are there.

`locked.py --project` is for what pyproject.toml needs in production, `locked.py NAME...` for tools of the build. Which
packages that are pip works out, held to the versions of the lock; what is then installed is checked by its hash.
"""

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[2]
_HASH = re.compile(r"\s*\\?\s*--hash=\S+")
_NAME = re.compile(r"[A-Za-z0-9._-]+")


def canonical(name: str) -> str:
    """A package's name as PyPI compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def entries(lock: str) -> dict[str, list[str]]:
    """The entries of a lock by package, each with its hashes; one package may have several, with different markers."""
    found: dict[str, list[str]] = {}
    for entry in re.split(r"\n(?=[A-Za-z0-9])", "\n" + lock):
        if name := _NAME.match(entry):
            found.setdefault(canonical(name.group()), []).append(entry.strip())
    return found


def subset(lock: str, names: Iterable[str]) -> str:
    """The entries of these packages. Raises KeyError for one that is not locked."""
    locked = entries(lock)
    return "".join(f"{entry}\n" for name in sorted(map(canonical, names)) for entry in locked[name])


def needed(lock: str, requirements: list[str]) -> list[str]:
    """The packages that these requirements bring, themselves included, on this machine."""
    with tempfile.TemporaryDirectory() as name:
        constraints, report = Path(name) / "constraints.txt", Path(name) / "report.json"
        constraints.write_text(_HASH.sub("", lock))
        subprocess.run(
            [
                *(sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"),
                *(
                    "--only-binary",
                    ":all:",
                    "--constraint",
                    str(constraints),
                    "--report",
                    str(report),
                    *requirements,
                ),
            ],
            check=True,
        )
        return [each["metadata"]["name"] for each in json.loads(report.read_text())["install"]]


if __name__ == "__main__":
    wanted = sys.argv[1:]
    if wanted == ["--project"]:
        wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    text = (ROOT / "requirements.lock").read_text()
    sys.stdout.write(subset(text, needed(text, wanted)))
