"""Plays systemctl for the operator's guide: starts and stops what the units say, without any of their restrictions.

`systemctl enable|disable --now UNIT...`, `start|stop|restart UNIT...`, `daemon-reload`. GUIDE_ROOT stands for `/`: the
units, their files of environment and their programs are looked for in it. A unit has a log and a file with its pid.
"""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psutil

ROOT: Final = Path(os.environ.get("GUIDE_ROOT", "/nonexistent"))
RUNNING: Final = ROOT / "run"
_DEADLINE_S: Final = 60.0


def main() -> None:
    """Do what the arguments say."""
    verb, *units = [word for word in sys.argv[1:] if word != "--now"]
    for unit in units:
        if verb in ("disable", "stop", "restart"):
            stop(unit)
        if verb in ("enable", "start", "restart"):
            _start(unit)


def _start(unit: str) -> None:
    if _process(unit) is not None:
        return
    settings = list(_settings(unit))
    (program,) = (value for name, value in settings if name == "ExecStart")
    variables = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "TMPDIR") if name in os.environ}
    for name, value in settings:
        if name == "EnvironmentFile":
            variables |= _variables(_placed(value))
    with (RUNNING / f"{unit}.log").open("ab") as log:
        process = subprocess.Popen(
            [str(_placed(program.split()[0])), *program.split()[1:]],
            env=variables, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    (RUNNING / f"{unit}.pid").write_text(str(process.pid))


def stop(unit: str) -> None:
    """Let the unit end, if it runs."""
    if (process := _process(unit)) is not None:
        process.terminate()
        psutil.wait_procs([process], timeout=_DEADLINE_S)
        if _process(unit) is not None:
            sys.exit(f"{unit} does not end")


def _process(unit: str) -> psutil.Process | None:
    try:
        process = psutil.Process(int((RUNNING / f"{unit}.pid").read_text()))
        return None if process.status() == psutil.STATUS_ZOMBIE else process
    except (FileNotFoundError, psutil.NoSuchProcess):
        return None


def _settings(unit: str) -> Iterator[tuple[str, str]]:
    """The lines `name=value` of what all units share and of the unit, later ones last, as systemd takes them."""
    template, _, slot = unit.partition("@")
    units = ROOT / "etc" / "systemd" / "system"
    for file in (units / "croupier-.service.d" / "common.conf", units / f"{template}@.service"):
        for line in file.read_text("utf-8").splitlines():
            name, found, value = line.replace("%i", slot).partition("=")
            if found and not line.startswith("#"):
                yield name, value


def _variables(file: Path) -> dict[str, str]:
    lines = [line for line in file.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    return {name: "".join(shlex.split(value)) for name, _, value in (line.partition("=") for line in lines)}


def _placed(path: str) -> Path:
    return ROOT / path.lstrip("/")


if __name__ == "__main__":
    main()
