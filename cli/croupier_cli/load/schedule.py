"""When the turns of a load begin. A turn is a request, or over a WebSocket a frame of commands.

All times are those of `time.perf_counter_ns`.
"""

from collections import deque
from typing import Final, Protocol

NOT_NOW: Final = -1


class Schedule(Protocol):
    """Hands out turns."""

    not_sent: int
    """Turns that became due while there was no room for them to wait any more."""

    late_ns_max: int
    """How late the generator itself came to see that a turn was due, at worst."""

    def look(self, now_ns: int) -> None:
        """See what has become due by now, whether or not anybody is free for it."""

    def take(self, now_ns: int) -> int:
        """Since when the next turn is due, for somebody who is free to begin it now; NOT_NOW where none is due."""

    def is_over(self, now_ns: int) -> bool:
        """Whether there is no turn to begin any more."""

    def give_up(self) -> None:
        """Nothing that waits will be begun any more; it counts as not sent."""


class ClosedLoop:
    """Whoever is free begins at once, until `ends_ns` or until so many turns have begun."""

    not_sent = 0
    late_ns_max = 0

    def __init__(self, ends_ns: int, turns: int) -> None:
        self._ends_ns = ends_ns
        self._left = turns

    def look(self, now_ns: int) -> None:
        """Nothing becomes due by itself."""

    def take(self, now_ns: int) -> int:
        if self._left <= 0 or now_ns >= self._ends_ns:
            return NOT_NOW
        self._left -= 1
        return now_ns

    def is_over(self, now_ns: int) -> bool:
        return self._left <= 0 or now_ns >= self._ends_ns

    def give_up(self) -> None:
        self._left = 0


class OpenLoop:
    """Turns become due at a constant rate, whatever becomes of those before, until `ends_ns` or so many.

    Those that nobody is free for wait, the first first; of those that find `waiting_max` waiting nobody hears again
    but `not_sent`.
    """

    def __init__(self, begins_ns: int, ends_ns: int, turns: int, per_s: float, waiting_max: int) -> None:
        self.not_sent = 0
        self.late_ns_max = 0
        self._begins_ns = begins_ns
        self._each_ns = 1e9 / per_s
        self._arrived = 0
        self._turns = min(turns, max(0, round((ends_ns - begins_ns) / self._each_ns)))
        self._next_ns = begins_ns
        self._waiting: deque[int] = deque()
        self._waiting_max = waiting_max

    def take(self, now_ns: int) -> int:
        if now_ns >= self._next_ns:
            self.look(now_ns)
        return self._waiting.popleft() if self._waiting else NOT_NOW

    def look(self, now_ns: int) -> None:
        if self._arrived < self._turns:
            self.late_ns_max = max(self.late_ns_max, now_ns - self._next_ns)
        while self._arrived < self._turns and now_ns >= self._next_ns:
            if len(self._waiting) < self._waiting_max:
                self._waiting.append(self._next_ns)
            else:
                self.not_sent += 1
            self._arrived += 1
            # Not by adding up: the rate is to be met exactly over any time.
            self._next_ns = self._begins_ns + round(self._arrived * self._each_ns)

    def is_over(self, now_ns: int) -> bool:
        return self._arrived >= self._turns and not self._waiting

    def give_up(self) -> None:
        self.not_sent += len(self._waiting)
        self._waiting.clear()
        self._turns = self._arrived
