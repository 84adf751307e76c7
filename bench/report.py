"""Writes the tables and plots of docs/performance.md from the last saved run, and says what has become worse since.

Run as `python -m bench.report`; `make bench` does so at its end.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench.reporting.comparison import WORSE, as_table, shared, worse
from bench.reporting.plots import plots
from bench.reporting.saved import NoRun, Run, read, saved_runs
from bench.reporting.tables import NoBlock, fill

_ROOT: Final = Path(__file__).parents[1]
_HAS_BECOME_WORSE: Final = 1
_CANNOT_REPORT: Final = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0; 1 with --strict where a ratio has become worse; 2 where there is nothing to report."""
    options = _parser().parse_args(arguments)
    try:
        files = [options.run, options.before] if options.run else saved_runs(options.saved)[:-3:-1]
        run, *earlier = [read(file) for file in files if file is not None]
        if not options.no_page:
            _write(options.page, run)
    except (NoRun, NoBlock, OSError) as error:
        print(f"bench.report: {error}", file=sys.stderr)
        return _CANNOT_REPORT
    has_become_worse = _compare(earlier[0], run) if earlier else False
    return _HAS_BECOME_WORSE if has_become_worse and options.strict else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.report",
        description="Write the tables and plots of a page from a saved run, and compare it with the run before.",
    )
    parser.add_argument(
        "--run", type=Path, help="the run: a JSON file; by default the last one below --saved"
    )
    parser.add_argument("--before", type=Path, help="with --run: the run to compare with; by default none")
    parser.add_argument("--saved", type=Path, default=_ROOT / ".benchmarks", help="where runs are saved")
    parser.add_argument(
        "--page", type=Path, default=_ROOT / "docs" / "performance.md",
        help="the page whose blocks are filled; plots go into the folder of its name without `.md`",
    )  # fmt: skip
    parser.add_argument("--no-page", action="store_true", help="write nothing, and compare only")
    parser.add_argument(
        "--strict",
        action="store_true",
        help=f"exit with 1 where a ratio has become worse by more than {WORSE:.0%}%",
    )
    return parser


def _write(page: Path, run: Run) -> None:
    """Fill the blocks of the page, and draw its plots."""
    page.write_text(fill(page.read_text("utf-8"), run), "utf-8")
    folder = page.with_suffix("")
    folder.mkdir(exist_ok=True)
    drawn = plots(run)
    for name, svg in drawn.items():
        (folder / name).write_text(svg, "utf-8")
    print(f"{page.name}: the tables of {len(run.benchmarks)} benchmarks, and {len(drawn)} plots")


def _compare(old: Run, new: Run) -> bool:
    """Print what has become worse; whether anything has."""
    found = worse(old, new)
    print(f"{shared(old, new)} benchmarks are in the run before too.", end=" ")
    if not found:
        print(f"No ratio has become worse by more than {WORSE:.0%}.")
        return False
    print(f"Ratios that have become worse by more than {WORSE:.0%}:\n\n{as_table(found)}")
    return True


if __name__ == "__main__":
    sys.exit(main())
