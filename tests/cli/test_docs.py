"""docs/cli.md has every command and every setting."""

import re
from pathlib import Path

from croupier.settings import Settings
from croupier_cli.embedded import kafka
from croupier_cli.embedded.postgres import BIN_DIR_VARIABLE
from croupier_cli.embedded.valkey import BINARY_VARIABLE
from croupier_cli.main import app

PAGE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text("utf-8")


def test_given_the_page_then_it_lists_exactly_the_settings_that_there_are() -> None:
    listed = re.findall(r"^\| `([A-Z_]+)` \|", PAGE, re.MULTILINE)
    programs = [BINARY_VARIABLE, BIN_DIR_VARIABLE, kafka.BINARY_VARIABLE]
    assert sorted(listed) == sorted([*Settings.__struct_encode_fields__, *programs])


def test_given_the_page_then_it_lists_exactly_the_commands_that_there_are() -> None:
    table = PAGE.partition("\n## ")[0]
    commands = re.findall(r"^\| `([a-z]+(?: [a-z]+)?)(?: [^|]*)?` \|", table, re.MULTILINE)
    existing = set()
    for name in app:
        if not name.startswith("-"):
            below = [f"{name} {each}" for each in app[name] if not each.startswith("-")]
            existing |= set(below or [name])
    assert set(commands) == existing
