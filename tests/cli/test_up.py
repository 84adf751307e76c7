"""`croupier up` from its start to its end."""

import os
import pwd
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from croupier_cli.embedded import Postgres, process
from tests.cli.support import (
    DEADLINE_S,
    ask,
    command,
    croupier,
    environment,
    free_port,
    is_free,
    run_curl,
    running_up,
)
from tests.embedded.support import query
from tests.redis_server import administrator, started_valkey

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


def test_given_nothing_when_up_then_its_curl_pulls_and_the_next_start_finds_balance_and_history(
    directory: Path,
) -> None:
    port = free_port()
    env = environment(CROUPIER_HTTP_PORT=str(port), CROUPIER_WORKERS="2")
    with subprocess.Popen(
        command("up"), env=env, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout is not None
        printed = [first.stdout.readline()]
        while not printed[-1].startswith("curl "):
            assert printed[-1], first.communicate()
            printed.append(first.stdout.readline())
        addresses = "".join(printed)
        assert f"http://127.0.0.1:{port}/docs" in addresses
        assert "player 42" in addresses
        pulled = run_curl(printed[-1])
        first.send_signal(signal.SIGTERM)
        rest, said = first.communicate(timeout=DEADLINE_S)
        assert (first.returncode, rest.strip()) == (0, ""), said
    assert is_free(port)
    assert pulled["balance"] == 95_000
    assert pulled["receipt"]["event_id"].startswith("0-1-")
    data = directory / ".croupier"
    _require_postgres_has_all(data)
    assert (data / "secrets.env").stat().st_mode & 0o777 == 0o600

    with running_up(data) as second:
        token = printed[-1].partition("Bearer ")[2].partition("'")[0]
        assert ask(second.ready["url"] + "/api/wallet", token) == second.ask("/api/wallet")
        assert second.ask("/api/wallet")["tokens"] == 95_000
        (entry,) = second.ask("/api/games/history")["items"]
        assert entry["event_id"] == pulled["receipt"]["event_id"]
        receipt = second.pull()["receipt"]
        assert receipt["event_id"].startswith("0-2-")
        assert receipt["commitment"] == pulled["receipt"]["commitment"]
        second.stop(signal.SIGINT)


def _require_postgres_has_all(data: Path) -> None:
    """What was in the outbox when `up` was stopped is in Postgres, and no event is there twice."""
    with Postgres.start(data / "postgres") as postgres, started_valkey(data / "valkey") as valkey:
        events = query(postgres.url, "SELECT array_agg(type ORDER BY seq) FROM events")
        with administrator(valkey.url) as client:
            (outbox,) = client.keys("{0}:outbox:*")
            assert client.xlen(outbox) == len(events)
    assert events == ["epoch.opened", "economy.changed", "gacha.pulled"]


def test_given_secrets_in_the_environment_then_they_win(directory: Path) -> None:
    secret = "5f1c9e27a84b03d6e2b7f0c4918a6d35"
    with running_up(directory / "data", JWT_SECRET_KEY=secret, CROUPIER_MASTER_KEYS=f"7:{'ab' * 32}") as up:
        token = croupier("token", "--user", "5", env=environment(JWT_SECRET_KEY=secret)).stdout.strip()
        assert ask(up.ready["url"] + "/api/games/gacha/pull", token, {"count": 1})["balance"] == 95_000
        up.stop()
    assert not (directory / "data" / "secrets.env").exists()


def test_given_another_economy_file_at_a_later_start_then_it_is_said_how_to_push_it(directory: Path) -> None:
    file = directory / "economy.json"
    data = directory / "data"
    with running_up(data) as first:
        assert "economy push" not in first.said()
        economy = croupier("economy", "show", env=environment(CROUPIER_DATA_DIR=str(data))).stdout
        first.stop()
    file.write_text(economy.replace('"initial_tokens": 100000', '"initial_tokens": 100001'))
    with running_up(data, CROUPIER_ECONOMY=str(file)) as second:
        assert f"croupier economy push {file}" in second.said()
        assert second.ask("/api/wallet")["tokens"] == 100_000
        second.stop()


@as_root
def test_given_a_normal_user_when_up_then_all_is_theirs_and_it_works(directory: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    home = directory / "home"
    home.mkdir()
    os.chown(home, nobody.pw_uid, nobody.pw_gid)
    log = directory / "home" / "data.stderr"
    log.touch()
    with running_up(home / "data", prefix=_become_nobody(nobody), HOME=str(home)) as up:
        assert {each.uids().real for each in up.processes} == {nobody.pw_uid}
        assert up.pull()["balance"] == 95_000
        up.stop()
    assert {path.stat().st_uid for path in (home / "data").rglob("*")} == {nobody.pw_uid}


def _become_nobody(nobody: pwd.struct_passwd) -> tuple[str, ...]:
    """A command prefix; the right to read every file is kept where this Python lies in a closed directory."""
    user = ("setpriv", "--reuid", str(nobody.pw_uid), "--regid", str(nobody.pw_gid), "--clear-groups")
    reading = ("--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search")
    start_python_again = "import subprocess, sys; subprocess.run([sys.executable, '-c', ''], check=True)"
    for prefix in (user, user + reading):
        outcome = subprocess.run(
            [*prefix, sys.executable, "-c", start_python_again], capture_output=True, text=True, check=False
        )
        if outcome.returncode == 0:
            return prefix
    raise AssertionError(f"no other user can run this Python: {outcome.stderr}")


@as_root
def test_given_root_without_user_namespaces_when_up_then_it_works(directory: Path) -> None:
    program = directory / "up_without_namespaces.py"
    child = directory / "child_without_namespaces.py"
    child.write_text(
        f"import sys\nsys.path.insert(0, {str(Path(process.__file__).parent)!r})\nimport child\n"
        "child.enter_user_namespace = lambda account: False\nchild.main(sys.argv[1:])\n"
    )
    program.write_text(
        "import pathlib, sys\nfrom croupier_cli.embedded import process\nfrom croupier_cli.main import main\n"
        f"process._CHILD_PROGRAM = pathlib.Path({str(child)!r})\nsys.exit(main())\n"
    )
    with running_up(directory / "data", program=[sys.executable, str(program)]) as up:
        assert up.pull()["balance"] == 95_000
        up.stop()
    nobody = pwd.getpwnam("nobody").pw_uid
    assert (directory / "data" / "postgres" / "data").stat().st_uid == nobody
    assert (directory / "data" / "secrets.env").stat().st_uid == 0
