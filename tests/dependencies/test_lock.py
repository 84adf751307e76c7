"""requirements.lock: each dependency is one exact release, by its hashes, under a licence that lets us pass it on.

What `make audit` asks for besides, known vulnerabilities, takes a network.
"""

import re
from importlib.metadata import distribution
from pathlib import Path
from typing import Final

import pytest
from packaging.requirements import Requirement

LOCK = (Path(__file__).parents[2] / "requirements.lock").read_text("utf-8")

ENTRY: Final = re.compile(
    r"[a-z0-9][a-z0-9.-]*==[0-9][0-9A-Za-z.+!]*( ; [^\\\n@]+)?( \\\n    --hash=sha256:[0-9a-f]{64})+\n"
)
"""Only this: no address, no file, no option of pip, no other kind of hash."""

PERMISSIVE: Final = frozenset(
    {
        "0BSD",
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "CC0-1.0",
        "MIT",
        "MIT-0",
        "MIT-CMU",
        "PSF-2.0",
        "Zlib",
        "MPL-2.0",  # asks for the source of its own files only, which are used unchanged
    }
)
NAMES: Final = {
    "Apache 2": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD": "BSD-3-Clause",
    "BSD License": "BSD-3-Clause",
    "MIT License": "MIT",
    "MIT style": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
"""What metadata calls licences where it has no SPDX expression."""

READ_BY_HAND: Final = {"axe-playwright-python": "MIT"}
"""Whose metadata names no licence; this is what the file LICENSE beside it says."""


def requirements() -> list[Requirement]:
    return [Requirement(line.rstrip("\\ ")) for line in LOCK.splitlines() if not line.startswith(" ")]


def licence_of(name: str) -> str:
    """An SPDX expression, as far as the metadata of the installed distribution leads to one."""
    metadata = distribution(name).metadata
    if metadata["License-Expression"]:
        return str(metadata["License-Expression"])
    classified = [
        line.rpartition(" :: ")[2]
        for line in metadata.get_all("Classifier") or []
        if line.startswith("License :: OSI Approved :: ")
    ]
    named = classified or [metadata["License"] or READ_BY_HAND.get(name, "")]
    return " AND ".join(NAMES.get(each, each) for each in named)


def is_permissive(expression: str) -> bool:
    """Whether one of its alternatives has only licences that are allowed. AND binds closer; of brackets none passes."""
    return any(PERMISSIVE.issuperset(one.split(" AND ")) for one in expression.split(" OR "))


def test_given_the_lock_then_it_consists_of_exact_releases_with_hashes() -> None:
    end = 0
    while end < len(LOCK):
        entry = ENTRY.match(LOCK, end)
        assert entry, f"not a release with its hashes: {LOCK[end:].splitlines()[0]!r}"
        end = entry.end()


@pytest.mark.parametrize(
    "line",
    [
        "aiohttp==3.14.5\n",
        "aiohttp>=3 \\\n    --hash=sha256:" + "0" * 64 + "\n",
        "aiohttp @ file:aiohttp.whl \\\n    --hash=sha256:" + "0" * 64 + "\n",
        "aiohttp==3.14.5 \\\n    --hash=md5:" + "0" * 32 + "\n",
        "--index-url file:packages\n",
        "-e ./x\n",
    ],
)
def test_given_anything_else_then_it_is_no_entry(line: str) -> None:
    assert ENTRY.match(line) is None


def test_given_what_is_installed_then_it_is_what_the_lock_says() -> None:
    applying = [each for each in requirements() if each.marker is None or each.marker.evaluate()]
    assert len(applying) > 50
    others = {
        each.name: distribution(each.name).version
        for each in applying
        if not each.specifier.contains(distribution(each.name).version, prereleases=True)
    }
    assert others == {}


def test_given_every_dependency_then_its_licence_is_permissive() -> None:
    names = {each.name for each in requirements() if each.marker is None or each.marker.evaluate()}
    assert {name: licence for name in sorted(names) if not is_permissive(licence := licence_of(name))} == {}


@pytest.mark.parametrize(
    "expression", ["GPL-3.0-only", "MIT AND AGPL-3.0-only", "(MIT OR Zlib) AND X", "", "Proprietary"]
)
def test_given_a_licence_that_is_not_permissive_then_it_is_refused(expression: str) -> None:
    assert not is_permissive(expression)


@pytest.mark.parametrize("expression", ["MIT OR GPL-3.0-only", "GPL-3.0-only OR MIT AND BSD-3-Clause"])
def test_given_a_choice_with_a_permissive_licence_then_it_is_allowed(expression: str) -> None:
    assert is_permissive(expression)
