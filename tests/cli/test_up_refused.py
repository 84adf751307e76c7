"""What `croupier up` refuses: one line, exit code 2, and nothing touched."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.support import croupier, environment, free_port, processes_of_directory
from tests.embedded.support import query
from tests.redis_server import administrator, started_valkey
from tests.transport import scripted_server
from tests.transport.scripted_server import ScriptedServer

NOWHERE = "postgresql://croupier:secret@127.0.0.1:{port}/croupier"


@pytest.fixture
def data(directory: Path) -> Iterator[Path]:
    """A data directory that is not there, and is still not there afterwards."""
    yield directory / "data"
    assert list(directory.iterdir()) == []


def variables(data: Path, **others: str) -> dict[str, str]:
    return environment(CROUPIER_DATA_DIR=str(data), CROUPIER_HTTP_PORT=str(free_port()), **others)


def test_given_a_port_in_use_when_up_then_refused(data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        refused = croupier("up", env=variables(data) | {"CROUPIER_HTTP_PORT": port})
    refused.require_refusal(f"127.0.0.1:{port}", "in use")


def test_given_a_data_directory_that_cannot_be_made_when_up_then_refused(directory: Path) -> None:
    (directory / "file").touch()
    croupier("up", env=variables(directory / "file" / "data")).require_refusal(
        "data directory", "Not a directory"
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("initial_tokens = -1\n", ("initial_tokens", "allowed", "1 more")),
        ("initial_tokens = \n", ("well-formed TOML",)),
        (None, ("cannot be read",)),
    ],
)
def test_given_a_bad_economy_file_when_up_then_refused(
    data: Path, tmp_path: Path, text: str | None, words: tuple[str, ...]
) -> None:
    file = tmp_path / "economy.toml"
    if text is not None:
        file.write_text(text)
    croupier("up", env=variables(data, CROUPIER_ECONOMY=str(file))).require_refusal(str(file), *words)


@pytest.mark.parametrize(
    ("variable", "value", "word"),
    [
        ("CROUPIER_HTTP_PORT", "eighty", "CROUPIER_HTTP_PORT"),
        ("CROUPIER_WORKERS", "-1", "CROUPIER_WORKERS"),
        ("CROUPIER_DAY_ZONE", "Mars/Olympus", "CROUPIER_DAY_ZONE"),
        ("CROUPIER_CORS_ORIGINS", "nonsense", "CROUPIER_CORS_ORIGINS"),
        ("CROUPIER_TRUSTED_PROXIES", "nonsense", "CROUPIER_TRUSTED_PROXIES"),
        ("CROUPIER_HTTP_HOST", "192.0.2.1", "192.0.2.1"),
        ("CROUPIER_MASTER_KEYS", "x", "CROUPIER_MASTER_KEYS"),
        ("JWT_SECRET_KEY", "short", "JWT_SECRET_KEY"),
        ("JWT_SECRET_KEY", "0123456789abcdef" * 2, "repeated"),
        ("CROUPIER_WORKER", "4", "CROUPIER_WORKERS"),
        ("REDIS_URL", "http://x", "REDIS_URL"),
        ("DATABASE_URL", "http://x", "DATABASE_URL"),
        ("CROUPIER_VALKEY_BINARY", "/nowhere", "CROUPIER_VALKEY_BINARY"),
        ("CROUPIER_POSTGRES_BIN_DIR", "/nowhere", "CROUPIER_POSTGRES_BIN_DIR"),
    ],
)
def test_given_a_wrong_setting_when_up_then_refused(data: Path, variable: str, value: str, word: str) -> None:
    croupier("up", env=variables(data) | {variable: value}).require_refusal(word)


def test_given_a_redis_that_evicts_when_up_then_refused(data: Path, redis_url: str) -> None:
    with administrator(redis_url) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        try:
            refused = croupier("up", env=variables(data, REDIS_URL=redis_url))
        finally:
            client.config_set("maxmemory-policy", "noeviction")
        assert client.dbsize() == 0
    refused.require_refusal("maxmemory-policy", "allkeys-lru", "noeviction")


async def test_given_a_redis_too_old_when_up_then_refused(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = scripted_server._INFO.replace(b"7.0.15", b"6.2.14")
    monkeypatch.setitem(scripted_server._HANDSHAKE, b"INFO", b"$%d\r\n%s\r\n" % (len(info), info))
    async with ScriptedServer(lambda _command: b"-ERR no\r\n") as server:
        refused = await asyncio.to_thread(croupier, "up", env=variables(data, REDIS_URL=server.url))
        assert server.commands == []
    refused.require_refusal("6.2.14", "too old", "7.0")


def test_given_servers_that_cannot_be_reached_when_up_then_refused_and_no_password_shown(data: Path) -> None:
    refused = croupier("up", env=variables(data, REDIS_URL=f"redis://:secret@127.0.0.1:{free_port()}/0"))
    refused.require_refusal("Redis at 127.0.0.1")
    assert "secret" not in refused.stderr
    refused = croupier("up", env=variables(data, DATABASE_URL=NOWHERE.format(port=free_port())))
    refused.require_refusal("Postgres cannot be reached", "DATABASE_URL")
    assert "secret" not in refused.stderr


def _give_to_installation(redis_url: str, installation: str) -> bytes:
    """Make Redis hold the head of a partition of this installation; a digest of what it then holds."""
    fields = {"epoch": 3, "identity": "a:b", "economy": "", "schema": 1, "fence": "", "partitions": 1}
    with administrator(redis_url) as client:
        client.hset("{0}:head", mapping={**fields, "installation": installation})
        client.xadd("{0}:outbox:closed", {"h": "x"}, id="3-0")
    return _digest(redis_url)


def _digest(redis_url: str) -> bytes:
    with administrator(redis_url) as client:
        return b"".join(client.dump(key) or b"" for key in sorted(client.keys()))


@contextmanager
def _untouched(redis_url: str, database_url: str) -> Iterator[None]:
    tables = "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    before = _digest(redis_url), query(database_url, tables)
    yield
    assert (_digest(redis_url), query(database_url, tables)) == before


def test_given_a_postgres_of_another_installation_when_up_then_refused_and_neither_touched(
    data: Path, redis_url: str, database_url: str
) -> None:
    assert croupier("migrate", env=environment(DATABASE_URL=database_url)).exit_code == 0
    ours = query(database_url, "SELECT id FROM installation")
    _give_to_installation(redis_url, "another-one")
    with _untouched(redis_url, database_url):
        refused = croupier("up", env=variables(data, REDIS_URL=redis_url, DATABASE_URL=database_url))
    refused.require_refusal("another-one", ours, "do not belong together")


def test_given_an_empty_postgres_and_a_used_redis_when_up_then_refused_and_no_table_made(
    data: Path, redis_url: str, empty_database_url: str
) -> None:
    _give_to_installation(redis_url, "another-one")
    with _untouched(redis_url, empty_database_url):
        for command in ("up", "migrate"):
            refused = croupier(
                command, env=variables(data, REDIS_URL=redis_url, DATABASE_URL=empty_database_url)
            )
            refused.require_refusal("another-one", "this Postgres is empty")


def test_given_a_used_redis_and_a_new_data_directory_when_up_then_refused_before_a_postgres_is_made(
    data: Path, redis_url: str
) -> None:
    held = _give_to_installation(redis_url, "another-one")
    croupier("up", env=variables(data, REDIS_URL=redis_url)).require_refusal("another-one")
    assert _digest(redis_url) == held


def test_given_a_data_directory_that_lost_its_postgres_when_up_then_refused_and_no_new_one_made(
    directory: Path,
) -> None:
    kept = {"JWT_SECRET_KEY": "5f1c9e27a84b03d6e2b7f0c4918a6d35", "CROUPIER_MASTER_KEYS": f"1:{'ab' * 32}"}
    (directory / "secrets.env").write_text("".join(f"{name}={value}\n" for name, value in kept.items()))
    with started_valkey(directory / "valkey") as valkey:
        _give_to_installation(valkey.url, "lost-one")
    refused = croupier("up", env=variables(directory))
    assert refused.exit_code == 2
    assert "lost-one" in refused.stderr.splitlines()[-1]
    assert not (directory / "postgres").exists()
    assert processes_of_directory(directory) == []


def test_given_a_data_directory_that_lost_its_secrets_when_up_then_refused(directory: Path) -> None:
    (directory / "valkey").mkdir()
    croupier("up", env=variables(directory)).require_refusal("secrets.env is missing", "restore it")
    (directory / "secrets.env").write_text("JWT_SECRET_KEY=5f1c9e27a84b03d6e2b7f0c4918a6d35\n")
    croupier("up", env=variables(directory)).require_refusal("secrets.env has no CROUPIER_MASTER_KEYS")
    assert not (directory / "postgres").exists()
