"""A short run of what `make chaos` does for longer."""

import os
import shutil
import tempfile
from itertools import islice
from pathlib import Path
from typing import Final

import pytest

from tests.chaos.course import run
from tests.chaos.faults import kinds, schedule

SECONDS: Final = 20.0
FAULTS_MIN: Final = len(kinds(SECONDS))
"""The first so many faults of a schedule are one of each kind."""
SEED: Final = 1


def test_given_a_seed_when_scheduled_twice_then_the_same_faults_come_and_first_one_of_each_kind() -> None:
    first, again = (list(islice(schedule(SEED, SECONDS), 3 * FAULTS_MIN)) for _ in range(2))

    assert first == again
    assert {fault.kind for fault in first[:FAULTS_MIN]} == set(kinds(SECONDS))
    assert first != list(islice(schedule(SEED + 1, SECONDS), 3 * FAULTS_MIN))


# Each kind of fault comes once, however long that takes: faults are counted, not timed.
@pytest.mark.timeout(400)
def test_given_an_installation_under_load_when_faults_are_injected_then_every_invariant_holds() -> None:
    seed = int(os.environ.get("CROUPIER_CHAOS_SEED", SEED))
    # Short, since sockets lie in it; and Postgres may run as another user.
    directory = Path(tempfile.mkdtemp(prefix="chaos-"))
    directory.chmod(0o755)

    report = run(seed, SECONDS, directory, faults_min=FAULTS_MIN)

    assert report.problems == [], f"{report.again}\n{report}\ndata and logs: {directory}"
    assert set(report.faults) == set(kinds(SECONDS)), report
    assert len(report.done) >= max(FAULTS_MIN, 20), report
    # What was checked was there to be checked.
    assert report.statuses[200] > 0 and report.strict > 0 and report.heals and report.replies_replayed, report
    shutil.rmtree(directory, ignore_errors=True)
