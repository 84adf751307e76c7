"""How a load goes, on standard error: one line that is rewritten on a terminal, a line now and then elsewhere."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Final

from croupier_cli.load.run import Run
from croupier_cli.output import note

_CLEAR_LINE: Final = "\r\x1b[K"
_TERMINAL_PAUSE_NS: Final = 200_000_000
_PAUSE_NS: Final = 5_000_000_000


@contextlib.contextmanager
def showing(run: Run, what: str, seconds: float) -> Iterator[Callable[[int], None]]:
    """A function to be told what time it is (`time.perf_counter_ns`). A terminal's line is gone after the block."""
    on_terminal = sys.stderr.isatty()
    pause_ns = _TERMINAL_PAUSE_NS if on_terminal else _PAUSE_NS
    next_ns = run.tally.begins_ns + pause_ns

    def show(now_ns: int) -> None:
        nonlocal next_ns
        if now_ns < next_ns:
            return
        next_ns = now_ns + pause_ns
        line = progress_line(run, what, seconds, now_ns)
        if on_terminal:
            sys.stderr.write(_CLEAR_LINE + line)
            sys.stderr.flush()
        else:
            note(line)

    try:
        yield show
    finally:
        if on_terminal:
            sys.stderr.write(_CLEAR_LINE)
            sys.stderr.flush()


def progress_line(run: Run, what: str, seconds: float, now_ns: int) -> str:
    """What is shown at that time. The latencies are those so far, to 2 digits."""
    tally = run.tally
    elapsed_s = (now_ns - tally.begins_ns) / 1e9
    answered = tally.rough.total
    p50_us, p99_us = tally.rough.percentiles_us(("50", "99"))
    return (
        f"{what} {elapsed_s:.0f} of {seconds:.0f} s: {answered / elapsed_s:,.0f}/s, p50 {p50_us / 1000:.2f} ms, "
        f"p99 {p99_us / 1000:.2f} ms, {tally.errors + run.schedule.not_sent:,} errors, {run.in_flight:,} in flight"
    )
