"""The operator's guide as commands, and a machine on which they can be typed."""

import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

from tests.cli.support import environment

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = ROOT / "docs" / "operating"
ALERTS: Final = ROOT / "docs" / "alerts.md"

NOT_RUN: Final = {
    "make install": "it made the environment in which the tests run",
    "python3 -m pip --python .venv/bin/python wheel": "it writes into the checkout",
    "systemd-analyze security": "it asks a systemd that runs",
    "docker": "no engine runs in a test: tests/ops/test_compose.py reads what it would",
    "python3 ops/container/make_env.py": "it writes into the checkout: tests/ops/test_compose.py runs it elsewhere",
    "croupier adopt": "it needs a partition that was stopped: tests/sync/test_adopting.py",
    "valkey-server": "it does not end: tests/permissions starts one with the rendered file",
}
"""How commands begin that are not typed, and why."""

_CONSOLE: Final = re.compile(r"```console\n(.*?)```", re.DOTALL)
_IN_TEXT: Final = re.compile(r"`((?:croupier|curl) [^`]+)`")
_STAND_INS: Final = {
    "sudo": '[ "$1" = -u ] && shift 2; exec "$@"',
    "useradd": "exit 0",
    "createuser": "exit 0",
    "createdb": "exit 0",  # the databases are there
    "journalctl": 'exec tail -n 20 "$GUIDE_ROOT"/run/*.log',
    "systemctl": f'exec {sys.executable} {ROOT}/tests/operating/systemctl.py "$@"',
    "install_release": 'mkdir -p "$1/bin" && cp "$GUIDE_ROOT/bin/croupier" "$1/bin/" && "$1/bin/croupier" --version',
    "croupier": f'exec {sys.executable} -m croupier_cli.main "$@"',
}
"""What is played, by name: what a test must not do to the machine it runs on."""


class Typed(NamedTuple):
    """A command of a page, and what the page shows below it."""

    page: str
    command: str
    shown: str

    @property
    def exit_code(self) -> int:
        """What it ends with, by what is shown: 2 is "cannot run as asked"."""
        return 2 if self.shown.startswith("croupier: ") else 0


def commands(page: Path) -> list[Typed]:
    """What a page lets its reader type, in order; of the page of alerts, what its text names."""
    text = page.read_text("utf-8")
    if page == ALERTS:
        return [Typed(page.name, found, "") for found in dict.fromkeys(_IN_TEXT.findall(text))]
    found = []
    for block in _CONSOLE.findall(text):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, shown = part.partition("\n")
            found.append(Typed(page.name, command.partition("       #")[0], shown.strip()))
    return found


def reason_not_to_run(typed: Typed) -> str | None:
    """How `NOT_RUN` names the command; None where it is to be typed."""
    return next((begin for begin in NOT_RUN if typed.command.startswith(begin)), None)


class Machine:
    """A directory that stands for `/`, with stand-ins before the programs of the system."""

    def __init__(self, root: Path, replaced: dict[str, str]) -> None:
        self.root = root
        self._replaced = {
            **{f"{place}/": f"{root}{place}/" for place in ("/etc", "/opt", "/var/backups")},
            "sh ops/systemd/install_release.sh": "install_release",
            **replaced,
        }
        self._checkout = root / "checkout"
        for directory in ("bin", "run", "etc/valkey", "opt", "var", "checkout/dist"):
            (root / directory).mkdir(parents=True)
        for name in ("ops", "pyproject.toml", "requirements.lock"):
            (self._checkout / name).symlink_to(ROOT / name)
        for name, script in _STAND_INS.items():
            program = root / "bin" / name
            program.write_text(f"#!/bin/sh\n{script}\n")
            program.chmod(0o755)

    def replace(self, there: str, here: str) -> None:
        """What commands call `there` is `here` on this machine."""
        self._replaced[there] = here

    def type(self, typed: Iterable[Typed]) -> list[tuple[Typed, int, str, str]]:
        """Type commands into one shell, until one ends with another exit code than it should.

        Returns those that were typed, each with its exit code, and what it printed and said.
        """
        asked = list(typed)
        results = Path(tempfile.mkdtemp(dir=self.root))
        script = "\n".join(
            f"{{ {self._here(each.command)}\n}} >{results}/{number}.out 2>{results}/{number}.err </dev/null\n"
            f"code=$?; echo $code >{results}/{number}.code; [ $code = {each.exit_code} ] || exit 0"
            for number, each in enumerate(asked)
        )
        env = environment(GUIDE_ROOT=str(self.root), PATH=f"{self.root}/bin{os.pathsep}{os.environ['PATH']}")
        subprocess.run(
            ["bash"], input=script, text=True, env=env, cwd=self._checkout, check=True, timeout=400
        )
        return [
            (
                each,
                int((results / f"{number}.code").read_text()),
                (results / f"{number}.out").read_text().strip(),
                (results / f"{number}.err").read_text().strip(),
            )
            for number, each in enumerate(asked)
            if (results / f"{number}.code").exists()
        ]

    def fill_in(self, file: str, **values: str) -> None:
        """Give settings in a file their values, as an operator does with an editor."""
        place = self.root / file
        text = place.read_text("utf-8")
        for name, value in values.items():
            text, found = re.subn(rf"^{name}=.*$", f"{name}={shlex.quote(value)}", text, flags=re.MULTILINE)
            assert found == 1, (file, name)
        place.write_text(text, "utf-8")

    def _here(self, command: str) -> str:
        for there, here in self._replaced.items():
            command = command.replace(there, here)
        return command
