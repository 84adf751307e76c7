"""Two runs beside each other: which ratios have become worse."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from bench.reporting.figures import figure, written
from bench.reporting.saved import Run

WORSE: Final = 0.1
"""By how much of its old value a ratio has to be worse before it is listed."""


class Worse(NamedTuple):
    """A ratio that has become worse, by `by` of what it was."""

    benchmark: str
    figure: str
    old: float
    new: float
    by: float


def worse(old: Run, new: Run, by: float = WORSE) -> list[Worse]:
    """The ratios of both runs that have become worse by more than `by`, the worst first."""
    before = {(each.test, each.label): each.figures for each in old.benchmarks}
    found = []
    for each in new.benchmarks:
        earlier = before.get((each.test, each.label), {})
        for name, value in each.figures.items():
            was = earlier.get(name, 0)
            better = figure(name).better
            if not better or was == 0:
                continue
            lost = 1 - value / was if better == "more" else value / was - 1
            if lost > by:
                found.append(Worse(each.name, name, was, value, lost))
    return sorted(found, key=lambda each: -each.by)


def shared(old: Run, new: Run) -> int:
    """How many benchmarks both runs have."""
    return len(
        {(each.test, each.label) for each in old.benchmarks}
        & {(each.test, each.label) for each in new.benchmarks}
    )


def as_table(found: Sequence[Worse]) -> str:
    """The list as a table in plain text."""
    rows = [("benchmark", "ratio", "old", "new", "worse by")] + [
        (
            each.benchmark,
            figure(each.figure).heading,
            written(each.figure, each.old),
            written(each.figure, each.new),
            f"{each.by:.0%}",
        )
        for each in found
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
