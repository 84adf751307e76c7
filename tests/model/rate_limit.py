"""Rate limits in plain Python: the times of the calls that had an effect, one by one."""

from dataclasses import dataclass, field

SECOND_MS, MINUTE_MS = 1_000, 60_000


@dataclass
class CallLog:
    """The calls of one player in one scope."""

    times_ms: list[int] = field(default_factory=list)

    def wait_ms(self, now_ms: int, per_second: int, per_minute: int) -> int:
        """How long until a call is let through; 0: now."""
        return max(self.waits_ms(now_ms, per_second, per_minute))

    def waits_ms(self, now_ms: int, per_second: int, per_minute: int) -> tuple[int, int]:
        """How long the limit per second stops a call, and how long the limit per minute does."""
        times_ms, now_ms = self._by(now_ms)

        def wait_ms(limit: int, window_ms: int) -> int:
            return max(0, times_ms[-limit] + window_ms - now_ms) if len(times_ms) >= limit else 0

        return wait_ms(per_second, SECOND_MS), wait_ms(per_minute, MINUTE_MS)

    def behind_ms(self, now_ms: int) -> int:
        """How far a clock that went back is behind the time to judge by."""
        return self._by(now_ms)[1] - now_ms

    def add(self, now_ms: int) -> None:
        """A call had an effect."""
        times_ms, now_ms = self._by(now_ms)
        self.times_ms = [*times_ms, now_ms]

    def _by(self, now_ms: int) -> tuple[list[int], int]:
        """The calls and the time to judge by: a clock that went back a little stands still; after a minute either way
        all is new."""
        if self.times_ms and abs(now_ms - self.times_ms[-1]) >= MINUTE_MS:
            return [], now_ms
        return self.times_ms, max([now_ms, *self.times_ms[-1:]])
