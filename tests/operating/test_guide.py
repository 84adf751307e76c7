"""The operator's guide, followed from the first page to the last."""

import getpass
import secrets
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from croupier_cli.main import app
from tests.cli.support import free_port
from tests.operating import systemctl
from tests.operating.guide import ALERTS, NOT_RUN, PAGES, ROOT, Machine, Typed, commands, reason_not_to_run
from tests.redis_server import started_valkey

FOLLOWED = ("install.md", "README.md", "configure.md", "containers.md", "backup.md")
"""In this order; then all other pages and the incidents, and in the end the upgrade, which puts another slot in use."""
UNITS = [f"croupier-{part}@{slot}" for slot in ("blue", "green") for part in ("serve", "sync")]


@pytest.fixture
def machine(tmp_path: Path, empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    """A machine on which nothing is installed; a second Redis and a second Postgres are there for what is restored."""
    with started_valkey(tmp_path / "second") as second:
        machine = Machine(
            tmp_path / "machine",
            {
                "redis://127.0.0.1:6380/0": second.url,
                "postgresql://croupier@127.0.0.1/croupier_restored": shlex.quote(empty_database_url),
                "backup FILE": "backup incident.backup",
                "FILE": "economy.json",
            },
        )
        try:
            yield machine
        finally:
            monkeypatch.setattr(systemctl, "RUNNING", machine.root / "run")
            for unit in UNITS:
                systemctl.stop(unit)


@pytest.mark.timeout(500)
def test_given_the_guide_when_all_that_it_shows_is_typed_then_each_command_does_what_is_said(
    machine: Machine, redis_url: str, database_url: str
) -> None:
    ports = {"blue": str(free_port()), "green": str(free_port())}
    machine.replace("127.0.0.1:8000", f"127.0.0.1:{ports['blue']}")
    machine.replace("127.0.0.1:8001", f"127.0.0.1:{ports['green']}")
    pages = [PAGES / name for name in FOLLOWED]
    pages += [*sorted({*PAGES.glob("*.md"), ALERTS} - {*pages, PAGES / "upgrade.md"}), PAGES / "upgrade.md"]
    typed = [each for page in pages for each in commands(page) if reason_not_to_run(each) is None]
    filled_in = next(at for at, each in enumerate(typed) if each.command.startswith("openssl"))

    require_done(machine.type(typed[:filled_in]))
    machine.fill_in(
        "etc/croupier/croupier.env",
        REDIS_URL=redis_url,
        DATABASE_URL=database_url,
        JWT_SECRET_KEY=secrets.token_hex(32),
        CROUPIER_MASTER_KEYS=f"1:{secrets.token_hex(32)}",
    )
    for slot, port in ports.items():
        machine.fill_in(f"etc/croupier/{slot}.env", CROUPIER_HTTP_PORT=port)
    show = Typed("", "croupier economy show > economy.json", "")
    at = next(at for at, each in enumerate(typed) if each.page == ALERTS.name)
    require_done(machine.type([*typed[filled_in:at], show, *typed[at:]]))


def require_done(results: list[tuple[Typed, int, str, str]]) -> None:
    """Each command ended well and printed what its page shows, or was refused in the words of its page."""
    for typed, exit_code, printed, said in results:
        assert exit_code == typed.exit_code, (typed, printed, said)
        shown = typed.shown.replace("root", getpass.getuser())
        assert shown in (said if exit_code else printed), (typed, printed, said)


def test_given_the_commands_that_are_not_typed_then_each_of_them_is_still_shown() -> None:
    shown = [each for page in (*PAGES.glob("*.md"), ALERTS) for each in commands(page)]
    assert {reason_not_to_run(each) for each in shown} - {None} == NOT_RUN.keys()


def test_given_the_units_then_they_run_commands_that_there_are_as_a_user_without_rights() -> None:
    names = set(app)
    for unit in (ROOT / "ops" / "systemd").glob("croupier-*.service"):
        (line,) = (line for line in unit.read_text().splitlines() if line.startswith("ExecStart="))
        assert line.split()[-1] in names
    common = (ROOT / "ops" / "systemd" / "croupier-.service.d" / "common.conf").read_text().splitlines()
    assert {"User=croupier", "NoNewPrivileges=yes", "ProtectSystem=strict", "CapabilityBoundingSet="} <= set(
        common
    )


def test_given_the_script_that_installs_a_release_then_a_shell_can_read_it() -> None:
    subprocess.run(["sh", "-n", ROOT / "ops" / "systemd" / "install_release.sh"], check=True)
