"""Fixtures of the tests of the command line: a running `croupier up`, and the data of one that was stopped."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.support import Up, running_up


@pytest.fixture
def directory() -> Iterator[Path]:
    """A temporary directory with a short path, since sockets lie in it, that every user can reach."""
    path = Path(tempfile.mkdtemp(prefix="croupier-cli-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def up() -> Iterator[Up]:
    """A `croupier up` that the tests of a module share; they leave it running."""
    with tempfile.TemporaryDirectory(prefix="croupier-cli-") as name, running_up(Path(name) / "data") as up:
        yield up
        up.stop()
