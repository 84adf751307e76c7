"""The commands of docs/load.md, run as they are printed there but for their durations."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.cli.support import environment, running_up

PAGE = Path(__file__).parents[2] / "docs" / "load.md"
_CONSOLE = re.compile(r"```console\n(.*?)```", re.DOTALL)
_COMMAND = re.compile(r"^\$ ((?:croupier|python) (?:[^'\n]|'[^']*')*)$", re.MULTILINE)
_LONG = re.compile(r"(--(?:duration|warmup)) \d+s")
_SHOWN = re.compile(r"^(closed loop.*?)```", re.DOTALL | re.MULTILINE)


def commands() -> list[str]:
    """All that is to be typed, but for the server, which runs already."""
    found = [
        command for block in _CONSOLE.findall(PAGE.read_text("utf-8")) for command in _COMMAND.findall(block)
    ]
    return [command for command in found if not command.startswith("croupier up")]


def words(table: str) -> list[str]:
    """A result without its figures."""
    return re.sub(r"[\d,.]+|http://\S+", "#", table).split()


def test_given_a_new_server_when_the_commands_of_the_page_are_run_then_all_succeed_and_nobody_is_limited(
    tmp_path: Path,
) -> None:
    assert len(commands()) == 9
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, arguments in (("croupier", ["-m", "croupier_cli.main"]), ("python", [])):
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec {" ".join([sys.executable, *arguments])} "$@"\n')
        program.chmod(0o755)
    with running_up(tmp_path / "data") as up:
        env = environment(
            CROUPIER_DATA_DIR=up.ready["data_dir"],
            CROUPIER_HTTP_PORT=str(up.port),
            PATH=f"{programs}{os.pathsep}{os.environ['PATH']}",
        )
        printed = []
        for command in commands():
            line = _LONG.sub(r"\1 300ms", command)
            ran = subprocess.run(
                line, shell=True, cwd=tmp_path, env=env, capture_output=True, text=True, check=False
            )
            assert ran.returncode == 0, (line, ran)
            assert "met a limit" not in ran.stderr, (line, ran)
            printed.append(ran.stdout)
        up.stop()

    shown = _SHOWN.search(PAGE.read_text("utf-8"))
    assert shown is not None
    assert words(printed[3].strip()) == words(shown[1])
    assert (tmp_path / "load.hgrm").exists()
    assert (tmp_path / "load.svg").exists()
