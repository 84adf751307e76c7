"""`make mutants`: plants every fault of the catalogue, one at a time, and says which test caught it."""

import argparse
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from tests.mutants.catalogue import MUTATIONS
from tests.mutants.histories import table
from tests.mutants.mutation import ROOT, Mutation
from tests.mutants.trial import Verdict, attempt, copied, end_of, run_tests

TIMEOUT_S = 120.0
UNMUTATED_TIMEOUT_S = 900.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 where every mutation was caught, 1 where one was not, 2 for a name that none has."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--list", action="store_true", help="name the mutations, and what each stands for")
    parser.add_argument("--histories", action="store_true", help="which mutations stand for which history")
    parser.add_argument(
        "--only", action="append", metavar="NAME", default=[], help="may be given several times"
    )
    parser.add_argument("--jobs", type=int, default=2, help="mutations tried at the same time (default: 2)")
    parser.add_argument(
        "--timeout", type=float, default=TIMEOUT_S, metavar="SECONDS", help="for each mutation"
    )
    options = parser.parse_args(arguments)
    if unknown := set(options.only) - {mutation.name for mutation in MUTATIONS}:
        parser.error(f"there is no mutation {', '.join(sorted(unknown))}: see --list")
    chosen = [mutation for mutation in MUTATIONS if not options.only or mutation.name in options.only]
    if options.list:
        for mutation in chosen:
            print(f"{mutation.name}\n    {mutation.history}\n    {mutation.file}")
        return 0
    if options.histories:
        print("\n".join(table()))
        return 0
    started_s = time.monotonic()
    if trouble := unmutated_fails(ROOT, chosen):
        print(f"Without any mutation these tests fail already, so they can tell nothing:\n{trouble}")
        return 1
    print(f"all tests pass without a mutation ({time.monotonic() - started_s:.0f} s)", flush=True)
    verdicts = try_all(ROOT, chosen, options.jobs, options.timeout)
    missed = [verdict for verdict in verdicts if not verdict.is_caught]
    print(
        f"{len(verdicts) - len(missed)} of {len(verdicts)} mutations caught in {time.monotonic() - started_s:.0f} s"
    )
    for verdict in missed:
        print(f"{verdict.outcome}: {verdict.mutation}")
    return 1 if missed else 0


def unmutated_fails(root: Path, mutations: Iterable[Mutation]) -> str:
    """Run the tests of these mutations on the code as it is. Empty where they pass, else what they said."""
    mutations = list(mutations)
    files = sorted({path for mutation in mutations for path in mutation.tests})
    only = (
        " or ".join(sorted({mutation.only for mutation in mutations}))
        if all(m.only for m in mutations)
        else ""
    )
    with copied(root) as tree:
        code, output = run_tests(tree, files, only, UNMUTATED_TIMEOUT_S)
    if code is None:
        return f"no end within {UNMUTATED_TIMEOUT_S:g} s"
    return "" if code == 0 else end_of(output)


def try_all(root: Path, mutations: Sequence[Mutation], jobs: int, timeout_s: float) -> list[Verdict]:
    """Try them, and tell each verdict as it comes."""
    verdicts: list[Verdict] = []
    with ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(attempt, root, mutation, timeout_s) for mutation in mutations]
        try:
            for future in as_completed(futures):
                verdict = future.result()
                verdicts.append(verdict)
                by = f"by {verdict.detail}" if verdict.is_caught else f"({verdict.detail})"
                place = f"{len(verdicts)}/{len(mutations)}"
                print(
                    f"{place:>6} {verdict.seconds:5.1f} s  {verdict.mutation}: {verdict.outcome} {by}",
                    flush=True,
                )
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return verdicts


if __name__ == "__main__":
    sys.exit(main())
