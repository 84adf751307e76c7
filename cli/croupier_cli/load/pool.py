"""The connections of a load: opened together, and each opened again when it is lost."""

import asyncio
from collections.abc import Callable
from typing import Final

from croupier_cli.load.line import Line, NotOpened
from croupier_cli.load.run import Run
from croupier_cli.load.target import Target

_AT_ONCE: Final = 64
_TIMEOUT_S: Final = 10.0
_PAUSE_FIRST_S: Final = 0.05
_PAUSE_LONGEST_S: Final = 1.0

Make = Callable[[int, Callable[[Line], None]], Line]
"""Makes the connection of that number, from 0, which says to the function that it is gone."""


class Pool:
    """Keeps `count` connections open. Close it in the end."""

    def __init__(self, target: Target, count: int, make: Make) -> None:
        self._target = target
        self._tls = target.tls
        self._count = count
        self._make = make
        self._lines: dict[Line, int] = {}
        self._reopening: set[asyncio.Task[None]] = set()
        self._run: Run | None = None
        self._is_closed = False

    def lines(self) -> list[Line]:
        """Those that are open."""
        return list(self._lines)

    async def open(self) -> None:
        """Open all. Raises NotOpened, OSError, TimeoutError."""
        for first in range(0, self._count, _AT_ONCE):
            numbers = range(first, min(first + _AT_ONCE, self._count))
            opened = await asyncio.gather(*map(self._open, numbers), return_exceptions=True)
            for failure in opened:
                if isinstance(failure, BaseException):
                    raise failure

    def begin(self, run: Run) -> None:
        """Let the connections take the turns of this run."""
        self._run = run
        run.begin(self._lines)

    async def close(self) -> None:
        """Close all."""
        self._is_closed = True
        for task in self._reopening:
            task.cancel()
        await asyncio.gather(*self._reopening, return_exceptions=True)
        for line in self.lines():
            line.transport.abort()

    async def _open(self, number: int) -> Line:
        line = self._make(number, self._lost)
        loop, target = asyncio.get_running_loop(), self._target
        async with asyncio.timeout(_TIMEOUT_S):
            await loop.create_connection(lambda: line, target.host, target.port, ssl=self._tls)
            await line.opened
        if not line.is_open:
            raise NotOpened("the server closed the connection at once")
        self._lines[line] = number
        return line

    def _lost(self, line: Line) -> None:
        number = self._lines.pop(line, None)
        if number is None or self._is_closed:
            return
        task = asyncio.get_running_loop().create_task(self._open_again(number))
        self._reopening.add(task)
        task.add_done_callback(self._reopening.discard)

    async def _open_again(self, number: int) -> None:
        pause_s = _PAUSE_FIRST_S
        while True:
            try:
                line = await self._open(number)
            except (OSError, TimeoutError, NotOpened):
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _PAUSE_LONGEST_S)
                continue
            if self._run is not None:
                self._run.begin([line])
            return
