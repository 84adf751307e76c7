"""The log of a model Valkey: what was written, in units that are atomic, with the time of each."""

from bisect import bisect_right
from collections.abc import Sequence

from tests.simulation.valkey.store import Command


class Log:
    """`units` are the effects of one command or script each; a server that loses power loses whole units at the end."""

    def __init__(self) -> None:
        self.units: list[tuple[Command, ...]] = []
        self._written_s: list[float] = []

    def append(self, now_s: float, effects: Sequence[Command]) -> None:
        self.units.append(tuple(effects))
        self._written_s.append(now_s)

    def length_at(self, when_s: float) -> int:
        """How many units there were at that time."""
        return bisect_right(self._written_s, when_s)

    def first(self, count: int) -> "Log":
        """A log of its own that begins as this one does."""
        log = Log()
        log.units, log._written_s = self.units[:count], self._written_s[:count]
        return log
