"""The names of environment variables: which of those that begin with `CROUPIER_` mean something."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Final

PREFIX: Final = "CROUPIER_"

PROGRAMS: Final = ("CROUPIER_KAFKA_BINARY", "CROUPIER_POSTGRES_BIN_DIR", "CROUPIER_VALKEY_BINARY")
"""Programs that `croupier up` starts in place of those of the packages."""

_BETWEEN_PROCESSES: Final = ("CROUPIER_CONTROL_FD",)
"""Set by the supervisor for its workers."""

_TESTS: Final = (
    "CROUPIER_BENCH_EVENTS",
    "CROUPIER_BENCH_REQUESTS",
    "CROUPIER_CHAOS_SEED",
    "CROUPIER_TEST_EXPORT_EVENTS",
    "CROUPIER_TEST_EXPORT_OUTAGE_S",
    "CROUPIER_TEST_EXPORT_STRIDE",
    "CROUPIER_TEST_FUZZ_EXAMPLES",
    "CROUPIER_TEST_FUZZ_SEED",
    "CROUPIER_TEST_KILL_STRIDE",
)
"""Sizes and seeds of tests and benchmarks, which they hand on to the servers that they start."""

_NO_SETTINGS: Final = frozenset((*PROGRAMS, *_BETWEEN_PROCESSES, *_TESTS))


def unknown_variables(environment: Mapping[str, str], settings: Iterable[str]) -> list[str]:
    """A line for each variable `CROUPIER_*` that is neither among the names of settings nor any other that is known.

    An empty variable counts as not set, as everywhere.
    """
    known = {*settings, *_NO_SETTINGS}
    return [
        f"{name} is no setting{_nearest(name, known)}"
        for name, value in sorted(environment.items())
        if name.startswith(PREFIX) and name not in known and value != ""
    ]


def _nearest(name: str, known: Iterable[str]) -> str:
    # Without the prefix, which would make any two names look alike; and some settings have none.
    by_rest = {each.removeprefix(PREFIX): each for each in sorted(known)}
    found = get_close_matches(name.removeprefix(PREFIX), by_rest, n=1)
    return (
        f"; the nearest one is {by_rest[found[0]]}" if found else "; `croupier config` lists those there are"
    )
