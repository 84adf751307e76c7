"""The Makefile, on a machine with nothing but Python, pip and make."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Stands for Python: it notes its arguments, and those settings of pip that reach it.
RECORDER = """#!/bin/sh
echo "$* user=$PIP_USER index=$PIP_INDEX_URL" >> "$RECORD"
"""


class Checkout:
    """A directory with the project's Makefile, and a Python that does nothing but note how it is called."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._record = directory / "record"
        for name in ("Makefile", "requirements.lock", "pyproject.toml"):
            shutil.copy(ROOT / name, directory / name)
        (directory / ".venv").mkdir()
        python = directory / "python"
        python.write_text(RECORDER)
        python.chmod(0o755)

    def install(self) -> list[str]:
        """Run `make install`; how Python was called."""
        self._record.write_text("")
        subprocess.run(
            ["make", "install", f"PYTHON={self._directory / 'python'}"],
            cwd=self._directory,
            env={
                **{
                    name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "MAKE"))
                },
                "RECORD": str(self._record),
                "PIP_USER": "1",
                "PIP_INDEX_URL": "theirs",
            },
            check=True,
            capture_output=True,
        )
        return self._record.read_text().splitlines()

    def change(self, name: str) -> None:
        """Make the file newer than everything that was made from it."""
        stamp = (self._directory / ".venv" / ".installed").stat().st_mtime
        os.utime(self._directory / name, (stamp + 10, stamp + 10))


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_given_a_fresh_clone_when_installed_then_from_the_lock_with_hashes_into_its_own_environment(
    checkout: Checkout,
) -> None:
    check, environment, dependencies, project = checkout.install()
    assert "Python 3.11 or newer" in check
    assert environment.startswith("-m venv --without-pip .venv")
    assert dependencies.startswith("-m pip --python .venv/bin/python install")
    assert "--require-hashes -r requirements.lock" in dependencies
    assert "--no-deps --no-build-isolation -e ." in project
    # The user's index is used, and no setting that would make pip install elsewhere.
    assert all(line.endswith("user= index=theirs") for line in (dependencies, project))


@pytest.mark.parametrize("name", ["requirements.lock", "pyproject.toml"])
def test_given_an_installation_when_made_again_then_only_after_a_change(
    checkout: Checkout, name: str
) -> None:
    assert checkout.install()
    assert checkout.install() == []
    checkout.change(name)
    assert checkout.install()


def test_given_a_python_too_old_when_installed_then_one_line_says_so(tmp_path: Path) -> None:
    Checkout(tmp_path)
    python = tmp_path / "python"
    check = "import sys; sys.version_info = (3, 10); exec(sys.argv[2])"
    python.write_text(f'#!/bin/sh\nexec python3 -c "{check}" "$@"\n')
    outcome = subprocess.run(
        ["make", "install", f"PYTHON={python}"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert outcome.returncode == 2
    assert "croupier needs Python 3.11 or newer" in outcome.stderr.splitlines()[0]
    assert not (tmp_path / ".venv" / ".installed").exists()


def test_given_the_files_that_install_and_check_then_they_name_no_host() -> None:
    for name in ("Makefile", ".ci/run", ".pre-commit-config.yaml", "requirements.lock"):
        assert "://" not in (ROOT / name).read_text(), name
