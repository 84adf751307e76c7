"""The examples of docs/python-client.md, run as they are printed there."""

import ast
import asyncio
import inspect
import re
from pathlib import Path
from typing import Any

from croupier_cli.data_directory import read_secrets
from croupier_client.methods import CommandMethods, HttpMethods
from croupier_http.auth import make_token
from tests.cli.support import running_up

PAGE = Path(__file__).parents[2] / "docs" / "python-client.md"
_EXAMPLE = re.compile(r"```python\n(.*?)```", re.DOTALL)
_ROW = re.compile(r"^\| (?:commands|a player's|for admin).*$", re.MULTILINE)


def test_given_a_new_server_when_the_examples_are_run_then_all_that_they_assert_holds(tmp_path: Path) -> None:
    examples = _EXAMPLE.findall(PAGE.read_text("utf-8"))
    assert len(examples) == 8
    with running_up(tmp_path / "data") as up:
        secret = read_secrets(Path(up.ready["data_dir"]))["JWT_SECRET_KEY"]
        admin = make_token(secret, 1, "STANDARD", "admin", 3600)
        names: dict[str, Any] = {"URL": up.ready["url"], "TOKEN": up.ready["token"], "ADMIN": admin}
        for example in examples:
            code = compile(example, str(PAGE), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            running = eval(code, names)
            assert inspect.iscoroutine(running)
            asyncio.run(running)
        up.stop()


def test_given_the_page_then_it_names_exactly_the_methods_that_there_are() -> None:
    named = {name for row in _ROW.findall(PAGE.read_text("utf-8")) for name in re.findall(r"`(\w+)`", row)}
    methods = {
        name for kind in (CommandMethods, HttpMethods) for name in vars(kind) if not name.startswith("_")
    }

    assert named == methods
