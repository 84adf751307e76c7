"""What Ctrl-C does: it ends whatever `croupier up` is doing, and then must not end the orderly stop as well."""

import signal
import time
from types import FrameType, TracebackType
from typing import Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_ONE_REQUEST_S = 0.5
"""Signals so close together are one request: `make` passes on what the terminal or the system sends to all at once."""


class Interrupted(KeyboardInterrupt):
    """The user, or the system, asks `croupier up` to stop."""


class Interruption:
    """Raises `Interrupted` in the main thread at the first signal; none raises after `hold`.

    Raising reaches what blocks, such as a server that takes its time to start, where an event loop's handler would have
    to wait. `hurried` is set by the second request: the stop should take no more time than it must.
    """

    def __init__(self) -> None:
        self.hurried = False
        self._raises = True
        self._asked_s: float | None = None

    def hold(self) -> None:
        """Things are being stopped from here on, and no signal must interrupt that."""
        self._raises = False

    def _received(self, _number: int, _frame: FrameType | None) -> None:
        now_s = time.monotonic()
        if self._asked_s is None:
            self._asked_s = now_s
        elif now_s - self._asked_s > _ONE_REQUEST_S:
            self.hurried = True
        if self._raises:
            self._raises = False
            raise Interrupted

    def __enter__(self) -> Self:
        for number in _SIGNALS:
            signal.signal(number, self._received)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # All is stopped and the process about to end: one signal more must not make that look like a failure.
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)
