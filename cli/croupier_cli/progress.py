"""How far a long calculation is, on standard error: one line that is rewritten on a terminal, nothing elsewhere."""

import contextlib
import sys
from collections.abc import Callable, Iterator

_CLEAR_LINE = "\r\x1b[K"


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
