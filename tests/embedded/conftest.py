"""Fixtures of the tests of the launchers."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def tmp_path(tmp_path: Path) -> Iterator[Path]:
    """The temporary directory of pytest, removed after the test: a data directory of Postgres takes 45 MB."""
    yield tmp_path
    shutil.rmtree(tmp_path)


@pytest.fixture
def open_path() -> Iterator[Path]:
    """A temporary directory that has a short path and that every user can reach, unlike those of pytest."""
    directory = Path(tempfile.mkdtemp(prefix="croupier-test-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)
