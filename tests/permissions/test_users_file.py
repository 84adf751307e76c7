"""ops/redis/users.acl: what it says, and that the container of docker-compose.yml starts with it."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from croupier.permissions import USER, rules
from croupier_cli.embedded.valkey import find_valkey
from tests.embedded.support import wait_until
from tests.ops.compose import read_compose
from tests.ops.container import new_secrets
from tests.ops.queries import ROOT

DIRECTORY = ROOT / "ops" / "redis"


@pytest.fixture
def secrets() -> dict[str, str]:
    return new_secrets()


@pytest.fixture
def server(tmp_path: Path, secrets: dict[str, str]) -> Iterator[Path]:
    """The socket of a Valkey that runs by the command of the container, with its paths on this machine."""
    service = read_compose().services["valkey"]
    socket = Path(os.path.relpath(tmp_path / "socket"))
    shell, option, script, *arguments = (word.replace("$$", "$") for word in service.command)
    for there, here in (
        ("/etc/croupier", str(DIRECTORY)),
        (" /tmp/users.acl", f" {tmp_path}/users.acl"),
        ("valkey-server", str(find_valkey())),
    ):
        assert there in script
        script = script.replace(there, here)
    own = ["--dir", str(tmp_path), "--port", "0", "--unixsocket", socket.name]  # within that directory
    variables = {name: secrets.get(name, "") for name in service.environment}
    process = subprocess.Popen(
        [shell, option, script, *arguments, *own],
        env={"PATH": os.environ["PATH"], **variables},
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: socket.exists() or process.poll() is not None)
        assert process.poll() is None
        yield socket
    finally:
        process.terminate()
        process.wait()


def test_given_the_file_then_croupiers_user_has_the_rules_of_the_code_and_it_holds_no_secret() -> None:
    default, croupier, admin = (DIRECTORY / "users.acl").read_text().splitlines()

    assert default == "user default off"
    assert croupier.split() == ["user", USER, "on", "#SHA256_OF_REDIS_PASSWORD", *rules()]
    assert admin == "user admin on #SHA256_OF_REDIS_ADMIN_PASSWORD ~* &* +@all"


def test_given_the_container_when_it_has_started_then_each_user_has_its_password_and_its_rights(
    server: Path, secrets: dict[str, str], tmp_path: Path
) -> None:
    def client(user: str, secret: str) -> redis.Redis:
        return redis.Redis(unix_socket_path=str(server), username=user, password=secrets[secret])

    with client(USER, "REDIS_PASSWORD") as croupier, client("admin", "REDIS_ADMIN_PASSWORD") as admin:
        assert croupier.ping()
        with pytest.raises(redis.exceptions.NoPermissionError):
            croupier.flushall()
        assert admin.acl_users() == ["admin", USER, "default"]
        assert admin.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    for user, secret in ((USER, "REDIS_ADMIN_PASSWORD"), ("default", "REDIS_PASSWORD")):
        with client(user, secret) as stranger, pytest.raises(redis.AuthenticationError):
            stranger.ping()
    rendered = tmp_path / "users.acl"
    assert rendered.stat().st_mode & 0o077 == 0
    assert not any(secret in rendered.read_text() for secret in secrets.values())


def test_given_no_password_when_the_file_is_rendered_then_refused() -> None:
    done = subprocess.run(
        ["sh", str(DIRECTORY / "render_users.sh")],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
    )

    assert done.returncode != 0
    assert done.stdout == ""
    assert "REDIS_PASSWORD" in done.stderr
