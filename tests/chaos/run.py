"""The command line of `make chaos`: see its `--help`."""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import SystemRandom
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from tests.chaos.course import Say, run
from tests.chaos.faults import LONG_RUN_S, Fault

SECONDS: Final = 120.0
_SEEDS: Final = 10**6

_DESCRIPTION: Final = """\
A whole installation - two Valkeys, Postgres, two sync daemons, two HTTP workers - is played on while faults are
injected at random; then every invariant is checked. The seed fixes which faults come in which order, at what distance
and of what size. Exit code 1 where an invariant does not hold: data and logs are then kept, and where is printed.
"""
_EXAMPLES: Final = f"""\
examples:
  python -m tests.chaos.run --seconds 60                two minutes are the default, by a new seed
  python -m tests.chaos.run --seed 7 --seconds 60       the same faults as in an earlier run that printed this seed
  python -m tests.chaos.run --json > report.json        the report for machines; the faults go to standard error
  make chaos SEED=7 SECONDS=300                     from {LONG_RUN_S:.0f} s on with faults that take long
"""


def main() -> int:
    """Run once; the exit code."""
    arguments = _arguments()
    seed = SystemRandom().randrange(_SEEDS) if arguments.seed is None else arguments.seed
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(f"make chaos SEED={seed} SECONDS={arguments.seconds:g}")
    directory = Path(tempfile.mkdtemp(prefix="chaos-"))
    directory.chmod(0o755)  # Postgres may run as another user
    with _shown(console, arguments.seconds) as say:
        report = run(seed, arguments.seconds, directory, say=say)
    print(json.dumps(report.machine(), indent=2) if arguments.json else report, flush=True)
    if report.problems or arguments.keep:
        console.print(f"data and logs: {directory}")
    else:
        shutil.rmtree(directory, ignore_errors=True)
    return 1 if report.problems else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos.run",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seed", type=int, help="of the schedule of faults; by default a new one")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="how long faults are injected")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--keep", action="store_true", help="keep data and logs, also where all is well")
    return parser.parse_args()


@contextmanager
def _shown(console: Console, seconds: float) -> Iterator[Say]:
    """Each fault as a line; on a terminal a bar below them, which is gone in the end."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("starting", total=seconds)

        def say(at_s: float, fault: Fault) -> None:
            progress.update(task, completed=at_s, description=f"{fault.kind:<24}")
            console.print(f"{at_s:7.2f} s  {fault.kind} (size {fault.size:.3f}, which {fault.which:.3f})")

        yield say


if __name__ == "__main__":
    sys.exit(main())
