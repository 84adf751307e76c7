"""Waiting that ends at once when the daemon is told to stop."""

import asyncio
from contextlib import suppress


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Return after `seconds`, or as soon as `stop` is set."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()


class Backoff:
    """Pauses that double from the one to the next, up to a maximum, until `reset`."""

    def __init__(self, first_s: float, max_s: float) -> None:
        self._first_s = first_s
        self._max_s = max_s
        self._next_s = first_s

    def reset(self) -> None:
        """Begin again with the short pause."""
        self._next_s = self._first_s

    async def pause(self, stop: asyncio.Event) -> None:
        """Pause, longer than the time before."""
        seconds, self._next_s = self._next_s, min(2 * self._next_s, self._max_s)
        await pause(stop, seconds)
