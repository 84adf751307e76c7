"""Chooses the suites and the Redis that they measure, and shows under the tables of times what else was measured."""

import contextlib
import os
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.harness import RawConnection
from bench.target import ANY_REDIS, NotEmpty, Target, describe, given_url, require_empty, target
from croupier_cli.embedded import Valkey

_SUITES = Path(__file__).parent
_TIMEOUT_S = 600
_LEFT_OUT = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    """Refuse a database that is not empty before anything has run."""
    if not (url := given_url()) or config.option.collectonly:
        return
    try:
        require_empty(url)
    except (NotEmpty, OSError) as error:
        raise pytest.UsageError(f"REDIS_URL: {error}") from None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give benchmarks more time than tests have; and at REDIS_URL leave out what cannot run there."""
    suites = [each for each in items if each.path.parent == _SUITES]
    for each in suites:
        if each.get_closest_marker("timeout") is None:
            each.add_marker(pytest.mark.timeout(_TIMEOUT_S))
    if not given_url():
        return
    left_out = [each for each in suites if each.path.name not in ANY_REDIS]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [each for each in items if each not in left_out]
        names = sorted({each.path.stem.removeprefix("test_") for each in left_out})
        config.stash[_LEFT_OUT] = names


def pytest_report_collectionfinish(config: pytest.Config) -> str | None:
    names = config.stash.get(_LEFT_OUT, None)
    return (
        f"left out at REDIS_URL, since they need servers of their own: {', '.join(names)}" if names else None
    )


@pytest.fixture
def redis_target(tmp_path: Path) -> Iterator[Target]:
    """A Redis without a key in it, with its log of writes."""
    with target(tmp_path / "redis") as found:
        yield found


@pytest.fixture(scope="module")
def scripts_target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """The same for all scripts of a module: recording a case makes it empty again."""
    with target(tmp_path_factory.mktemp("redis")) as found:
        yield found


@pytest.fixture
def raw(scripts_target: Target) -> Iterator[RawConnection]:
    with contextlib.closing(RawConnection(scripts_target.url)) as connection:
        yield connection


def pytest_benchmark_update_machine_info(config: Any, machine_info: dict[str, Any]) -> None:
    """Say what the figures belong to, without the machine's name."""
    machine_info["node"] = ""
    machine_info["cores"] = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    )
    machine_info["python"] = f"Python {platform.python_version()}"
    machine_info["system_release"] = f"{platform.system()} {platform.machine()}"
    machine_info["redis"] = _redis(config)


def _redis(config: Any) -> str:
    if url := given_url():
        return f"{describe(url)} at REDIS_URL"
    with Valkey.start(config._tmp_path_factory.mktemp("version"), appendonly=False) as valkey:
        return f"{describe(valkey.url)}, embedded"


def pytest_terminal_summary(terminalreporter: Any, config: Any) -> None:
    measured = [each for each in config._benchmarksession.benchmarks if each.extra_info]
    if measured:
        terminalreporter.section("figures")
    for each in measured:
        terminalreporter.write_line(each.name)
        terminalreporter.write_line(
            "  " + ", ".join(f"{name} {value}" for name, value in each.extra_info.items())
        )
