"""Benchmarks at a Redis that is somebody else's."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.redis_server import administrator

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "benchmarks.md").read_text()


def benchmarks(redis_url: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run suites as a smoke test."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "0", "-p", "no:randomly", "--benchmark-disable", *arguments],
        cwd=ROOT,
        env=os.environ | {"REDIS_URL": redis_url},
        capture_output=True,
        text=True,
        check=False,
    )


def test_given_a_database_with_a_key_when_benchmarks_are_asked_for_then_they_refuse_it_and_the_key_stays(
    redis_url: str,
) -> None:
    with administrator(redis_url) as client:
        client.set("somebody's", "value")

        refused = benchmarks(redis_url, "bench/test_scripts.py")

        assert refused.returncode == pytest.ExitCode.USAGE_ERROR
        assert "the database at REDIS_URL has 1 keys" in refused.stderr
        assert client.keys() == [b"somebody's"]


def test_given_an_empty_database_when_suites_have_run_there_then_it_is_empty_again_and_what_was_left_out_is_said(
    redis_url: str,
) -> None:
    done = benchmarks(redis_url, "bench", "-k", "plain or restore or rps")

    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout
    left_out = re.search(r"left out at REDIS_URL, since they need servers of their own: (.*)", done.stdout)
    assert left_out is not None
    assert "restore" in left_out[1].split(", ")
    assert "scripts" not in left_out[1].split(", ")
    with administrator(redis_url) as client:
        assert client.dbsize() == 0


@pytest.mark.parametrize("number", range(2))
def test_given_the_page_for_benchmarkers_then_its_commands_that_are_cheap_work(
    number: int, redis_url: str
) -> None:
    commands = re.findall(r"^\.venv/bin/python -m (.*)$", PAGE, re.MULTILINE)
    assert len(commands) == 2

    done = subprocess.run(
        [sys.executable, "-m", *shlex.split(commands[number])],
        cwd=ROOT,
        env=os.environ | {"REDIS_URL": redis_url},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
