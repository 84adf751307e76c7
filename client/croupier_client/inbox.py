"""Pushes that wait to be taken: a bounded queue, which drops the oldest and says so."""

import asyncio
from collections import deque
from typing import Final

from croupier_client.pushes import Missed, Push

PUSHES_MAX: Final = 1024


class Inbox:
    """For one reader. `put` never waits: who does not take loses the oldest, and is told how many."""

    def __init__(self, pushes_max: int) -> None:
        self._waiting: deque[Push] = deque()
        self._pushes_max = pushes_max
        self._missed = 0
        self._ended: BaseException | bool = False
        self._wake = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, push: Push) -> None:
        """Add one."""
        if len(self._waiting) >= self._pushes_max:
            self._waiting.popleft()
            self._missed += 1
        self._waiting.append(push)
        self._wake.set()

    def end(self, error: BaseException | None) -> None:
        """Nothing more will come; with an error, that is raised to who takes after the last one."""
        self._ended = error or True
        self._wake.set()

    async def take(self) -> Push:
        """The next one. Raises StopAsyncIteration at the end."""
        while not self._waiting:
            if isinstance(self._ended, BaseException):
                raise self._ended
            if self._ended:
                raise StopAsyncIteration
            self._wake.clear()
            await self._wake.wait()
        if self._missed:
            missed, self._missed = self._missed, 0
            return Missed(missed)
        return self._waiting.popleft()
