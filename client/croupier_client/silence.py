"""Notices that nothing comes any more on a socket where commands wait for their answers."""

import asyncio
from typing import Final

_PARTS: Final = 4


class Silence:
    """The silence of one socket at a time, which is too long once no frame has come for `limit_s` seconds.

    It counts only while a command waits. It is counted in parts, and what has come is read between them: so a program
    that was itself busy does not take its own silence for the server's. Hence it may take a part longer.
    """

    def __init__(self, limit_s: float) -> None:
        self._part_s = limit_s / _PARTS
        self._parts = 0
        self._is_waiting = False
        self._timer: asyncio.TimerHandle | None = None
        self._too_long: asyncio.Future[None] | None = None

    def begin(self) -> "asyncio.Future[None]":
        """There is a new socket; what this returns is done when it has been silent for too long."""
        self._too_long = asyncio.get_running_loop().create_future()
        self._is_waiting = False
        return self._too_long

    def asked(self) -> None:
        """A command is sent."""
        if self._is_waiting:
            return
        self._is_waiting = True
        self._parts = 0
        if self._timer is None:
            self._next_part()

    def heard(self, *, is_waiting: bool) -> None:
        """A frame has come; whether commands still wait."""
        self._parts = 0
        self._is_waiting = is_waiting

    def end(self) -> None:
        """The socket is no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _next_part(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._part_s, self._part_over)

    def _part_over(self) -> None:
        self._timer = None
        if not self._is_waiting:
            return
        self._parts += 1
        if self._parts <= _PARTS:  # the first may have begun before the command was sent
            self._next_part()
        elif self._too_long is not None and not self._too_long.done():
            self._too_long.set_result(None)
