"""What `croupier up` is doing, on standard error: a spinner on a terminal, plain lines elsewhere."""

import contextlib
import time
from collections.abc import Iterator

from rich.console import Console


class Steps:
    """Says what begins, and on a terminal also how long it took."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)

    @contextlib.contextmanager
    def step(self, what: str) -> Iterator[None]:
        """`what` goes on while the block runs."""
        if not self._console.is_terminal:
            self.note(what)
            yield
            return
        began_s = time.monotonic()
        with self._console.status(what):
            yield
        self._console.print(f"✓ {what} ({time.monotonic() - began_s:.1f} s)")

    def note(self, text: str) -> None:
        """A line of its own."""
        self._console.print(text)
