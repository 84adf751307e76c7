"""What becomes of the servers when their launcher ends, and who they run as."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import redis

from croupier_cli.embedded import CannotStart, DataDirectoryInUse, DirectoryLock, Postgres, Valkey, process
from croupier_cli.embedded.postgres import find_postgres
from tests.embedded.support import is_gone, processes_of, query, wait_until

# A launcher of its own process. Arguments: the directories of Valkey, Postgres and the template of Postgres.
# It writes the pids of both servers when they run, and stops them at the end of its input.
LAUNCHER = """
import os, sys
from pathlib import Path
from croupier_cli.embedded import Postgres, Valkey
valkey_dir, postgres_dir, template = map(Path, sys.argv[1:])
with Valkey.start(valkey_dir) as valkey, Postgres.start(postgres_dir, template=template) as postgres:
    print(os.geteuid(), valkey.pid, postgres.pid, flush=True)
    sys.stdin.read()
"""

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@dataclass(frozen=True)
class Launched:
    """A launcher that runs, and its servers."""

    process: "subprocess.Popen[str]"
    uid: int
    pids: list[int]
    server_processes: list[psutil.Process]


@contextmanager
def launch(directory: Path, template: Path, prefix: tuple[str, ...] = ()) -> Iterator[Launched]:
    """Start both servers from another process; at the end whatever is left of it all is killed."""
    arguments = [str(directory / "valkey"), str(directory / "postgres"), str(template)]
    with subprocess.Popen(
        [*prefix, sys.executable, "-c", LAUNCHER, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as launcher:
        assert launcher.stdout is not None
        uid, *pids = (int(word) for word in launcher.stdout.readline().split())
        server_processes = [process for pid in pids for process in processes_of(pid)]
        try:
            yield Launched(launcher, uid, pids, server_processes)
        finally:
            launcher.kill()
            try:
                wait_until(lambda: all(is_gone(process) for process in server_processes))
            finally:
                for process in server_processes:
                    with suppress(psutil.NoSuchProcess):
                        process.kill()


def test_given_a_launcher_killed_then_its_servers_shut_down_cleanly_and_no_process_is_left(
    tmp_path: Path, postgres_template: Path
) -> None:
    with launch(tmp_path, postgres_template) as launched:
        launched.process.kill()
        wait_until(lambda: all(is_gone(process) for process in launched.server_processes))
    assert "ready to exit" in (tmp_path / "valkey" / "valkey.log").read_text()
    assert "database system is shut down" in (tmp_path / "postgres" / "postgres.log").read_text()


def test_given_a_launcher_killed_and_servers_slow_to_end_then_a_new_start_waits_for_them(
    tmp_path: Path, postgres_template: Path
) -> None:
    with launch(tmp_path, postgres_template) as launched:
        for pid in launched.pids:
            os.kill(pid, signal.SIGSTOP)
        launched.process.kill()
        launched.process.wait()
        for directory in ("valkey", "postgres"):
            with pytest.raises(DataDirectoryInUse, match=f"process {launched.process.pid} has left running"):
                DirectoryLock.acquire(tmp_path / directory, ending_server_timeout_s=0.1)
        for pid in launched.pids:
            os.kill(pid, signal.SIGCONT)
        with Valkey.start(tmp_path / "valkey") as valkey, redis.Redis.from_url(valkey.url) as client:
            assert client.ping()
        with Postgres.start(tmp_path / "postgres") as postgres:
            assert query(postgres.url, "SELECT 1") == 1
    assert "not properly shut down" not in (tmp_path / "postgres" / "postgres.log").read_text()


def test_given_servers_when_the_terminal_is_interrupted_then_the_launcher_decides(
    tmp_path: Path, postgres_template: Path
) -> None:
    with launch(tmp_path, postgres_template) as launched:
        # Ctrl-C goes to the process group in the foreground of the launcher's session.
        assert all(os.getpgid(pid) != os.getpgid(launched.process.pid) for pid in launched.pids)
        assert all(os.getsid(pid) != os.getsid(launched.process.pid) for pid in launched.pids)


def test_given_a_lock_inherited_by_a_process_when_its_launcher_lets_go_then_the_directory_stays_in_use(
    tmp_path: Path,
) -> None:
    lock = DirectoryLock.acquire(tmp_path)
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, pass_fds=[lock.fileno()]) as heir:
        lock.release()
        with pytest.raises(DataDirectoryInUse, match="a server that an earlier start has left running"):
            DirectoryLock.acquire(tmp_path, ending_server_timeout_s=0.2)
        assert heir.stdin is not None
        heir.stdin.close()
        DirectoryLock.acquire(tmp_path).release()


@as_root
def test_given_a_normal_user_when_started_then_the_servers_are_theirs(
    open_path: Path, postgres_template: Path
) -> None:
    template = open_path / "template"
    shutil.copytree(postgres_template, template)
    nobody = pwd.getpwnam("nobody")
    for path in (open_path, *open_path.rglob("*")):
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
    with launch(open_path, template, _become_nobody(nobody)) as launched:
        assert launched.uid == nobody.pw_uid
        assert {process.uids().real for process in launched.server_processes} == {nobody.pw_uid}
        launched.process.communicate("")  # the end of its input: it stops the servers
        assert launched.process.returncode == 0
        assert all(is_gone(process) for process in launched.server_processes)


def _become_nobody(nobody: pwd.struct_passwd) -> tuple[str, ...]:
    """A command prefix; the right to read every file is kept if this Python lies in a closed directory."""
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("setpriv is not installed")
    user = (setpriv, "--reuid", str(nobody.pw_uid), "--regid", str(nobody.pw_gid), "--clear-groups")
    reading = ("--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search")
    start_python_again = "import subprocess, sys; subprocess.run([sys.executable, '-c', ''], check=True)"
    for prefix in (user, user + reading):
        command = [*prefix, sys.executable, "-c", start_python_again]
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:
            return prefix
    pytest.skip("no other user can run this Python")


@as_root
def test_given_root_when_started_then_the_server_takes_itself_for_another_user_and_the_files_stay_roots(
    tmp_path: Path, postgres_template: Path
) -> None:
    with Postgres.start(tmp_path, template=postgres_template) as postgres:
        inside = Path(f"/proc/{postgres.pid}/uid_map").read_text().split()
        if inside == ["0", "0", str(2**32 - 1)]:
            pytest.skip("user namespaces are not permitted here")
        assert inside == [str(pwd.getpwnam("nobody").pw_uid), "0", "1"]
    assert (tmp_path / "data").stat().st_uid == 0


@as_root
def test_given_root_without_user_namespaces_when_started_then_the_server_and_its_files_are_nobodys(
    open_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = pwd.getpwnam("nobody").pw_uid
    _require_reachable_postgres()
    data_dir = open_path / "data-dir"
    with Postgres.start(data_dir) as postgres:
        query(postgres.url, "CREATE TABLE t AS SELECT 42 AS a", "SELECT 1")
    with monkeypatch.context() as patch:
        patch.setattr(process, "_CHILD_PROGRAM", _child_without_namespaces(open_path))
        with Postgres.start(data_dir) as postgres:
            assert psutil.Process(postgres.pid).uids().real == nobody
            assert query(postgres.url, "SELECT a FROM t") == 42
            postgres.kill()
    # Where namespaces are permitted again, the directory stays with the user that has it.
    with Postgres.start(data_dir) as postgres:
        assert psutil.Process(postgres.pid).uids().real == nobody
        assert query(postgres.url, "SELECT a FROM t") == 42
    assert (data_dir / "data").stat().st_uid == nobody


@as_root
def test_given_no_user_namespaces_and_a_closed_directory_when_started_then_the_reason_is_given(
    open_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_CHILD_PROGRAM", _child_without_namespaces(open_path))
    (open_path / "closed").mkdir(mode=0o700)
    with pytest.raises(CannotStart, match="Permission denied") as refusal:
        Postgres.start(open_path / "closed" / "data-dir")
    assert "\n" not in str(refusal.value)


def _child_without_namespaces(directory: Path) -> Path:
    """The program that becomes the server, on a system that refuses it a user namespace."""
    program = directory / "child_without_namespaces.py"
    program.write_text(
        "import sys\n"
        f"sys.path.insert(0, {str(Path(process.__file__).parent)!r})\n"
        "import child\n"
        "child.enter_user_namespace = lambda account: False\n"
        "child.main(sys.argv[1:])\n"
    )
    return program


def _require_reachable_postgres() -> None:
    try:
        subprocess.run(
            [find_postgres() / "postgres", "--version"], user="nobody", check=True, capture_output=True
        )
    except PermissionError:
        pytest.skip("Postgres is installed where only root can reach it")
