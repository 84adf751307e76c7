"""What an installation says, wherever it says it, is searched for every secret that it was given or has made."""

import asyncio
import base64
import json
import re
import signal
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import aiohttp
import psutil
import pytest

from croupier_cli.data_directory import read_secrets
from croupier_http.auth import make_token
from tests.cli.support import DEADLINE_S, Up, croupier, environment, free_port, running_up

GIVEN = "planted-secret-0123456789abcdef-of-"
"""How secrets begin that tests make up; each ends with where it stands."""


def forms(secret: str) -> set[str]:
    """The secret as it may appear: as text, in a URL, in base64 at any offset, in hexadecimal."""
    raw = secret.encode()
    shifted = (base64.b64encode(b"\0" * shift + raw).decode()[4:-4] for shift in range(3))
    return {secret, urllib.parse.quote(secret, safe=""), raw.hex(), *shifted}


def found(secrets: dict[str, str], said: dict[str, str]) -> list[tuple[str, str]]:
    """Which secret is in what was said."""
    return [
        (name, where)
        for name, secret in secrets.items()
        for where, text in said.items()
        if any(form in text for form in forms(secret))
    ]


def ask(up: Up, path: str, token: str, body: bytes | None = None) -> str:
    """Headers and body of a reply, whatever its status; a part that is being started again is waited for."""
    request = urllib.request.Request(up.ready["url"] + path, data=body)
    request.add_header("Authorization", f"Bearer {token}")
    request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(request, timeout=DEADLINE_S) as reply:
            return f"{reply.headers}{reply.read().decode()}"
    except urllib.error.HTTPError as refusal:
        with refusal:
            return f"{refusal.headers}{refusal.read().decode()}"


async def open_socket(address: str) -> None:
    """A WebSocket, until its greeting has come."""
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(address, protocols=("croupier.json",)) as socket,
    ):
        await socket.receive(DEADLINE_S)


def play(up: Up, tokens: dict[str, str]) -> str:
    """Commands, refusals, secrets in wrong places, a socket with a ticket, a worker that dies. What was answered."""
    player, forged = tokens["token of a player"], tokens["forged token"]
    answers = [
        ask(up, "/api/games/gacha/pull", player, b'{"count": 1}'),
        ask(up, "/api/games/gacha/pull", player, b'{"count": "%s"}' % f"{GIVEN}body".encode()),
        ask(up, "/api/games/slot/spin", player, b'{"bet_amount": -1}'),
        ask(up, "/api/games/gacha/pull", player, b"{" + f"{GIVEN}body".encode()),
        ask(up, "/api/wallet", forged),
        ask(up, f"/api/wallet?token={player}", ""),
        ask(up, f"/api/wallet?access_token={urllib.parse.quote(f'{GIVEN}query')}", player),
        ask(up, f"/api/{GIVEN}path", player),
        ask(up, "/api/admin/players/1", player),
        ask(up, "/metrics", player),
        ask(up, "/health", player),
    ]
    ticket = json.loads(ask(up, "/api/games/ws/ticket", player, b"{}").rpartition("\n\n")[2])["ticket"]
    tokens["ticket"] = ticket
    asyncio.run(open_socket(f"{up.ready['url']}/api/games/ws?ticket={ticket}"))
    answers.append(ask(up, f"/api/games/ws?ticket={ticket}", ""))
    worker = json.loads(ask(up, "/health", player).rpartition("\n\n")[2])["worker_pid"]
    psutil.Process(worker).send_signal(signal.SIGKILL)
    up.until_said("worker died")
    return "\n".join(answers)


def test_given_an_installation_that_says_all_it_can_when_it_is_searched_then_no_secret_is_in_it(
    tmp_path: Path,
) -> None:
    sentry = f"http://{GIVEN}sentry@127.0.0.1:{free_port()}/1"
    with running_up(tmp_path / "data", CROUPIER_LOG_LEVEL="debug", SENTRY_DSN=sentry) as up:
        own = read_secrets(tmp_path / "data")
        tokens = {
            "token of a player": make_token(own["JWT_SECRET_KEY"], 42, "STANDARD", "user", 3600),
            "forged token": make_token("x" * 32, 42, "STANDARD", "admin", 3600),
        }
        said = {"answers": play(up, tokens)}
        lines = [" ".join(process.cmdline()) for process in up.processes if process.is_running()]
        said["command lines"] = "\n".join(lines)
        up.stop()
        said["log"] = up.said()

    keys = re.findall(r"[0-9a-f]{64}", own["CROUPIER_MASTER_KEYS"])
    password = urllib.parse.urlsplit(up.redis_url).password or ""
    secrets = {"JWT_SECRET_KEY": own["JWT_SECRET_KEY"], "master key": keys[0], **tokens}
    assert all(len(secret) >= 32 for secret in secrets.values())
    if password:
        secrets["Redis password"] = password
    assert "gacha.pull" in said["log"] or "worker died" in said["log"]  # the log is that of the play
    assert found({"worker": "worker died"}, said) == [("worker", "log")]  # the search can find
    assert found(secrets, said) == []
    del said["answers"]  # who sent something wrong is told what it was
    assert found({"planted": GIVEN}, said) == []


@pytest.mark.parametrize(
    ("broken", "command"),
    [
        *(("malformed", each) for each in ("serve", "sync", "migrate", "verify", "config", "config --json")),
        # `serve` and `sync` wait for servers that are away.
        *(("unreachable", each) for each in ("migrate", "verify", "config", "config --json")),
    ],
)
def test_given_settings_that_cannot_be_used_when_a_command_says_why_then_it_keeps_the_secrets_to_itself(
    broken: str, command: str
) -> None:
    port = free_port()
    host = f"127.0.0.1:{port}" if broken == "unreachable" else "[nowhere"
    env = environment(
        REDIS_URL=f"redis://croupier:{GIVEN}redis@{host}/0",
        DATABASE_URL=f"postgresql://croupier:{GIVEN}postgres@{host}/croupier",
        JWT_SECRET_KEY=f"{GIVEN}jwt-key",
        CROUPIER_MASTER_KEYS=f"1:{GIVEN}master",
        SENTRY_DSN=f"https://{GIVEN}sentry@127.0.0.1/1",
        CLICKHOUSE_URL=f"http://croupier:{GIVEN}clickhouse@{host}/",
        KAFKA_SASL_PASSWORD=f"{GIVEN}kafka",
    )
    if broken == "unreachable":
        env["CROUPIER_MASTER_KEYS"] = "1:" + "5eed" * 16
    outcome = croupier(*command.split(), env=env)
    assert outcome.exit_code != 0 or command.startswith("config"), outcome
    said = {"stdout": outcome.stdout, "stderr": outcome.stderr}
    assert outcome.stdout or outcome.stderr
    assert found({"planted": GIVEN, "master key": "5eed" * 16}, said) == []
