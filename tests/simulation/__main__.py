"""`python -m tests.simulation`: many seeds, or one again with all that happened in it."""

import argparse
import multiprocessing
import sys
from collections.abc import Iterator

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tests.simulation.scenario import Course, simulate


def main() -> int:
    """0: nothing is broken; 1: something is, and the seeds that show it were printed."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="run this seed alone")
    parser.add_argument(
        "--trace", action="store_true", help="with --seed: print what happens, and what is logged"
    )
    parser.add_argument("--seeds", type=int, default=1_000, help="how many seeds (default: 1000)")
    parser.add_argument("--first", type=int, default=0, help="the first of them (default: 0)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default: 1)")
    arguments = parser.parse_args()
    if arguments.seed is not None:
        return _one(arguments.seed, trace=arguments.trace)
    return _many(range(arguments.first, arguments.first + arguments.seeds), arguments.jobs)


def replay_line(seed: int) -> str:
    """What to type to see a seed again."""
    return f"python -m tests.simulation --seed {seed} --trace"


def _one(seed: int, *, trace: bool) -> int:
    course = simulate(seed, _print if trace else None)
    _print(
        f"seed {seed}: {course.operations} operations, {course.faults} faults, {course.events} events in "
        f"{course.simulated_s:.1f} simulated s, digest {course.digest}, answers {course.answers}"
    )
    for sentence in course.broken:
        _print(f"  {sentence}")
    return 1 if course.broken else 0


def _many(seeds: range, jobs: int) -> int:
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    failed = operations = faults = 0
    with Progress(*columns, transient=True) as progress:
        bar = progress.add_task("seeds", total=len(seeds))
        for course in _courses(seeds, jobs):
            operations, faults = operations + course.operations, faults + course.faults
            if course.broken:
                failed += 1
                progress.console.print(f"seed {course.seed}: {course.broken[0][:600]}", markup=False)
                progress.console.print(f"  replay: {replay_line(course.seed)}", markup=False)
            progress.advance(bar)
    _print(f"{len(seeds)} seeds, {operations} operations, {faults} faults: {failed} seeds failed")
    return 1 if failed else 0


def _courses(seeds: range, jobs: int) -> Iterator[Course]:
    if jobs == 1:
        yield from map(simulate, seeds)
        return
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        yield from pool.imap_unordered(simulate, seeds, chunksize=4)


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
