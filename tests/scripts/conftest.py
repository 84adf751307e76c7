"""Fixtures for the tests of the Lua toolchain: small trees of scripts."""

from collections.abc import Callable
from pathlib import Path

import pytest

from croupier.scripts import Scripts

Tree = Callable[..., Scripts]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """A function that writes `game/draw.lua` and `include/<name>.lua`, and reads them as scripts."""

    def read(draw: str, **includes: str) -> Scripts:
        for folder, name, text in [
            ("game", "draw", draw),
            *(("include", *item) for item in includes.items()),
        ]:
            (tmp_path / folder).mkdir(exist_ok=True)
            (tmp_path / folder / f"{name}.lua").write_text(text)
        return Scripts(tmp_path)

    return read
