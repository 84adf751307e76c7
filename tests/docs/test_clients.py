"""The commands of docs/clients.md, run as they are printed there; and docs/metrics.md against what is registered."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from croupier_cli.data_directory import read_secrets
from croupier_http.auth import make_token
from tests.cli.support import DEADLINE_S, Up, run_curl, running_up
from tests.docs.test_readme import STEP
from tests.ops.exported import exposition

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "clients.md"
_REFUSED = re.compile(r"```http\n(.*?)```", re.DOTALL)
_PROGRAM = re.compile(r"```python\n(.*?)```\n\n```text\n(.*?)```", re.DOTALL)
_METRIC = re.compile(r"^\| `([a-z_]+)` \|", re.MULTILINE)
_VARIES = {"game_id", "session_id", "op_id", "request_id", "checked_at"}
_SHOWN_HEADERS = ("Retry-After", "RateLimit", "RateLimit-Policy", "Op-Id")
_REMEMBERED = {"game_id": "$GAME", "session_id": "$SESSION"}


class Client:
    """Runs the commands of the page, and remembers what later ones refer to."""

    def __init__(self, up: Up) -> None:
        secret = read_secrets(Path(up.ready["data_dir"]))["JWT_SECRET_KEY"]
        self.up = up
        self._values = {
            "$URL": up.ready["url"],
            "$TOKEN": up.ready["token"],
            "$ADMIN": make_token(secret, 1, "STANDARD", "admin", 3600),
        }

    def run(self, command: str) -> dict[str, Any]:
        """The answer to a curl command line, a refusal's too."""
        for name, value in self._values.items():
            command = command.replace(name, value)
        try:
            answer = run_curl(command)
        except urllib.error.HTTPError as refused:  # without curl
            with refused:
                answer = json.load(refused)
        self._values |= {variable: answer[name] for name, variable in _REMEMBERED.items() if name in answer}
        return answer

    def run_until_durable(self, command: str) -> dict[str, Any]:
        """As `run`; an answer that says whether Postgres has an event is asked for until it has."""
        deadline_s = time.monotonic() + DEADLINE_S
        while (answer := self.run(command)).get("durable") is False and time.monotonic() < deadline_s:
            pass
        return answer


@contextmanager
def deterministic(directory: Path) -> Iterator[Client]:
    """A server as the page has it started."""
    with running_up(directory, CROUPIER_DETERMINISTIC_SEED="client tests") as up:
        yield Client(up)
        up.stop()


def steady(answer: object) -> object:
    """An answer without what differs from run to run."""

    def without(members: dict[str, Any]) -> dict[str, Any]:
        return {name: type(value).__name__ if name in _VARIES else value for name, value in members.items()}

    return json.loads(json.dumps(answer), object_hook=without)


def refusal(client: Client) -> str:
    """The first play that exceeds the limit while the clock stands still: its reply, as the page prints it."""
    headers = {"Authorization": f"Bearer {client.up.ready['token']}", "Content-Type": "application/json"}
    headers["X-Croupier-Clock-Ms"] = "1800000300000"
    url = client.up.ready["url"] + "/api/games/rps/play"
    play = urllib.request.Request(url, b'{"player_move":"ROCK"}', headers)
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(5):
        direct.open(play).close()
    with pytest.raises(urllib.error.HTTPError) as caught:
        direct.open(play)
    with caught.value as reply:
        head = [f"{name}: {reply.headers[name]}" for name in _SHOWN_HEADERS]
        body = json.dumps(json.load(reply), separators=(",", ":"))
        return "\n".join([f"HTTP/1.1 {reply.code} {reply.reason}", *head, "", body, ""])


def parts(reply: str) -> tuple[list[str], object]:
    """A printed reply: the lines of its head but for the attempt's id, and its body."""
    head, _, body = reply.partition("\n\n")
    return [line for line in head.splitlines() if not line.startswith("Op-Id: ")], steady(json.loads(body))


def test_given_a_deterministic_server_when_the_page_for_clients_is_run_then_the_answers_are_as_shown(
    tmp_path: Path,
) -> None:
    page = PAGE.read_text("utf-8")
    steps = STEP.findall(page)
    assert len(steps) == 16
    with deterministic(tmp_path / "data") as client:
        for command, shown in steps:
            assert steady(client.run_until_durable(command)) == steady(json.loads(shown)), command
        refused = _REFUSED.search(page)
        assert refused is not None
        assert parts(refusal(client)) == parts(refused[1])


def test_given_the_program_of_the_page_when_run_then_it_prints_what_is_shown(tmp_path: Path) -> None:
    found = _PROGRAM.search(PAGE.read_text("utf-8"))
    assert found is not None
    program, shown = found.groups()
    with deterministic(tmp_path / "data") as client:
        variables = {"URL": client.up.ready["url"], "TOKEN": client.up.ready["token"]}
        ran = subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | variables,
            capture_output=True,
            text=True,
            check=False,
        )

    assert ran.stderr == ""
    assert sorted(ran.stdout.splitlines()) == sorted(
        shown.splitlines()
    )  # reply and push may come either way round


def test_given_the_page_of_metrics_then_it_names_exactly_those_that_are_exported() -> None:
    names = re.findall(r"^# TYPE (\S+)", exposition(), re.MULTILINE)
    own = {name for name in names if not re.match(r"python_|process_|.*_created$", name)}

    assert sorted(_METRIC.findall((DOCS / "metrics.md").read_text("utf-8"))) == sorted(own)
