"""How far a long calculation is, on standard error: one line that is rewritten on a terminal, nothing elsewhere."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

_CLEAR_LINE = "\r\x1b[K"
_BAR_WIDTH = 24
_PAUSE_S = 0.1


@contextlib.contextmanager
def showing_progress(total: int) -> Iterator[Callable[[str, int], None]]:
    """A function to be told what is being done and how much of `total`; the line is gone after the block."""
    if not sys.stderr.isatty():
        yield lambda _what, _done: None
        return

    def show(what: str, done: int) -> None:
        sys.stderr.write(f"{_CLEAR_LINE}{what}: {100 * done // total} %")
        sys.stderr.flush()

    try:
        yield show
    finally:
        sys.stderr.write(_CLEAR_LINE)
        sys.stderr.flush()


@contextlib.contextmanager
def showing_rate(unit: str) -> Iterator[Callable[[str, int, int], None]]:
    """A function to be told what is being done, how much, and of how much: it draws a bar, the rate and the time left.

    Another `what` begins anew. The line is gone after the block; where there is no terminal, nothing is shown.
    """
    if not sys.stderr.isatty():
        yield lambda _what, _done, _total: None
        return
    began: dict[str, float] = {}
    shown_s = 0.0

    def show(what: str, done: int, total: int) -> None:
        nonlocal shown_s
        now_s = time.monotonic()
        began.setdefault(what, now_s)
        if now_s - shown_s < _PAUSE_S and done < total:
            return
        shown_s = now_s
        sys.stderr.write(_CLEAR_LINE + rate_line(what, done, total, now_s - began[what], unit))
        sys.stderr.flush()

    try:
        yield show
    finally:
        sys.stderr.write(_CLEAR_LINE)
        sys.stderr.flush()


def rate_line(what: str, done: int, total: int, seconds: float, unit: str) -> str:
    """What is shown after so many seconds."""
    share = done / total if total else 1.0
    filled = int(share * _BAR_WIDTH)
    bar = "#" * filled + "-" * (_BAR_WIDTH - filled)
    line = f"{what} [{bar}] {int(100 * share)} %, {done:,} of {total:,} {unit}"
    if done and seconds > 0:
        rate = done / seconds
        line += f", {rate:,.0f}/s, {(total - done) / rate:,.0f} s left"
    return line
