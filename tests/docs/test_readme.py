"""The README's session, run as it is printed there."""

import hashlib
import json
import re
import time
from pathlib import Path
from typing import Any

from tests.cli.support import DEADLINE_S, run_curl, running_up

README = Path(__file__).parents[2] / "README.md"
_SESSION = re.compile(r"<!-- session -->\n```console\n(.*?)```", re.DOTALL)
STEP = re.compile(r"^\$ (curl .+)\n(\{.+\})$", re.MULTILINE)
# What differs from run to run; everything else in the answers is as the README shows it.
_VARIES = {
    "server_seed", "commitment", "created_at", "as_of", "economy",
    "item_id", "rarity", "animation_type", "near_miss", "Rare", "Epic", "Legendary",
    "reels", "lines", "payout", "balance", "tokens",
}  # fmt: skip


def steps() -> list[tuple[str, dict[str, Any]]]:
    """The commands of the session and the answers shown."""
    session = _SESSION.search(README.read_text())
    assert session is not None
    return [(command, json.loads(answer)) for command, answer in STEP.findall(session[1])]


def form(answer: object) -> object:
    """An answer without what differs from run to run."""
    if isinstance(answer, dict):
        return {name: type(value) if name in _VARIES else form(value) for name, value in answer.items()}
    return [form(each) for each in answer] if isinstance(answer, list) else answer


def test_given_a_new_server_when_the_session_of_the_readme_is_run_then_the_answers_are_as_shown(
    tmp_path: Path,
) -> None:
    assert len(steps()) == 5
    with running_up(tmp_path / "data") as up:
        for command, shown in steps():
            line = command.replace("$URL", up.ready["url"]).replace("$TOKEN", up.ready["token"])
            answer = run_curl(line)
            deadline_s = time.monotonic() + DEADLINE_S
            while form(answer) != form(shown) and "history" in command and time.monotonic() < deadline_s:
                answer = run_curl(line)  # the history is Postgres', which follows
            assert form(answer) == form(shown), command
        up.stop()


def test_given_the_answers_shown_when_their_seed_is_hashed_then_it_is_the_commitment_shown() -> None:
    (_, pull), *_, (_, rotated) = steps()

    assert (
        hashlib.sha256(rotated["revealed"]["server_seed"].encode()).hexdigest()
        == (pull["receipt"]["commitment"])
    )
