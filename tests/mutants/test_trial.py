"""The verdicts of a trial, on a project of two files."""

import subprocess
from pathlib import Path

import pytest

from tests.mutants.mutation import Mutation
from tests.mutants.trial import attempt

TEST = """
import time
import rules

def test_given_a_rule_when_asked_then_it_holds():
    while rules.answer() == 0:
        time.sleep(0.01)
    assert rules.answer() == 1
"""
CAUGHT_BY = "test_rules.py::test_given_a_rule_when_asked_then_it_holds"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "rules.py").write_text("def answer():\n    return 1\n")
    (tmp_path / "test_rules.py").write_text(TEST)
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    return tmp_path


@pytest.mark.parametrize(
    ("old", "new", "timeout_s", "outcome", "detail"),
    [
        ("return 1", "return 2", 60, "caught", CAUGHT_BY),
        ("return 1", "return 3 - 2", 60, "SURVIVED", "passed"),
        ("return 1", "return 0", 0.5, "TIMEOUT", "within 0.5 s"),
        ("return 1", "return (", 60, "BROKEN", "SyntaxError"),
        ("return 7", "return 1", 60, "BROKEN", "0 times"),
    ],
)
def test_given_a_fault_when_tried_then_the_verdict_says_what_its_tests_made_of_it_and_the_tree_stays(
    project: Path, old: str, new: str, timeout_s: float, outcome: str, detail: str
) -> None:
    before = (project / "rules.py").read_text()

    verdict = attempt(
        project, Mutation("name", "history", "rules.py", old, new, ("test_rules.py",)), timeout_s
    )

    assert verdict.outcome == outcome
    assert detail in verdict.detail
    assert (project / "rules.py").read_text() == before
