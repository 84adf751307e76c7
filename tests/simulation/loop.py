"""An event loop in virtual time: no sockets, no threads, and nothing that happens twice in different orders.

When nothing is ready the clock jumps to the next timer. Everything that runs belongs to the process in whose context it
was scheduled, so that one process can be stopped or killed between any two of its steps while the others go on.
"""

import asyncio
import contextvars
import heapq
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from tests.simulation.process import Process

STEPS_MAX: Final = 3_000_000
"""A simulation that has not ended after so many steps runs in circles."""

running_process: "contextvars.ContextVar[Process | None]" = contextvars.ContextVar("process", default=None)
"""The process to which what runs now belongs; None for what stands outside of the simulated machines."""


class Stuck(Exception):
    """Nothing is left to do, or there is no end of it, and what was to be waited for has not happened."""


class Dialler(Protocol):
    """Makes connections in place of the operating system."""

    async def connect(
        self, protocol_factory: Callable[[], asyncio.BaseProtocol], host: str, port: int
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]: ...


class VirtualLoop(asyncio.BaseEventLoop):
    """`now_s` is the time on the clock of the loop, in seconds; it starts at `start_s`."""

    def __init__(self, start_s: float) -> None:
        super().__init__()
        self.now_s = start_s
        self.steps = 0
        self.dialler: Dialler | None = None
        self.started: list[asyncio.Task[Any]] = []
        self.processes: list[Process] = []
        self._clock_resolution = 0.0

    def time(self) -> float:
        return self.now_s

    def create_task(self, coro: Any, **options: Any) -> "asyncio.Task[Any]":
        """Remembers the task, so that those of a killed process are not collected, which would run their `finally`."""
        task: asyncio.Task[Any] = super().create_task(coro, **options)
        self.started.append(task)
        return task

    def _run_once(self) -> None:
        """One turn: what is ready now, or else the next timers."""
        ready, scheduled = self._ready, self._scheduled  # type: ignore[attr-defined]
        while scheduled and scheduled[0]._cancelled:
            heapq.heappop(scheduled)._scheduled = False
        if not ready:
            if not scheduled:
                raise Stuck(f"nothing is left to do after {self.steps} steps")
            self.now_s = max(self.now_s, scheduled[0]._when)
        while scheduled and scheduled[0]._when <= self.now_s:
            handle = heapq.heappop(scheduled)
            handle._scheduled = False
            ready.append(handle)
        for _ in range(len(ready)):
            handle = ready.popleft()
            if handle._cancelled:
                continue
            process = handle._context.get(running_process)
            if process is None or process.may_run(handle):
                self.steps += 1
                handle._run()
        if self.steps > STEPS_MAX:
            raise Stuck(f"no end after {self.steps} steps")

    async def create_connection(
        self, protocol_factory: Any, host: Any = None, port: Any = None, **_: Any
    ) -> Any:
        assert self.dialler is not None
        return await self.dialler.connect(protocol_factory, host, port)

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> "asyncio.Future[Any]":  # type: ignore[override]
        """At once, and in this thread."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future

    def _write_to_self(self) -> None:
        """There is no other thread that would have to wake this one."""

    def _process_events(self, event_list: Any) -> None:
        """There are no sockets."""


def run(loop: VirtualLoop, main: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine to its end on the loop, outside of all processes."""
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(main)
    finally:
        asyncio.set_event_loop(None)
