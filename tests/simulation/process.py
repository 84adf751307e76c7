"""A simulated process: all that is scheduled in its context; it can be stopped like SIGSTOP and killed like SIGKILL."""

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from tests.simulation.loop import VirtualLoop, running_process

T = TypeVar("T")


class Process:
    """Runs coroutines until it is killed.

    While stopped its steps wait, and timers that have run out meanwhile follow when it goes on. Once killed none of its
    steps runs any more: no `finally`, no `except`. `on_kill` is told, so that sockets are closed as by a kernel.
    """

    def __init__(self, loop: VirtualLoop, name: str) -> None:
        self.name = name
        self.alive = True
        self.stopped = False
        self.on_kill: list[Callable[[], None]] = []
        self._loop = loop
        self._held: list[asyncio.Handle] = []
        self._context = contextvars.copy_context()
        self._context.run(running_process.set, self)
        loop.processes.append(self)

    def may_run(self, handle: asyncio.Handle) -> bool:
        """Whether a step runs now; else it is kept, for later or for `revive`."""
        if self.alive and not self.stopped:
            return True
        self._held.append(handle)
        return False

    def start(self, main: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        """Run a coroutine in this process."""
        return self._context.run(self._loop.create_task, main)

    def soon(self, callback: Callable[..., object], *args: Any) -> None:
        """Call back in this process."""
        self._loop.call_soon(callback, *args, context=self._context)

    def at(self, when_s: float, callback: Callable[..., object], *args: Any) -> asyncio.TimerHandle:
        """Call back in this process at a time on the clock of the loop."""
        return self._loop.call_at(when_s, callback, *args, context=self._context)

    def stop(self) -> None:
        """Like SIGSTOP."""
        self.stopped = True

    def go_on(self) -> None:
        """Like SIGCONT."""
        self.stopped = False
        if self.alive:
            self._run_held()

    def revive(self) -> None:
        """For the end of a simulation: let even a killed process run, so that its tasks can be cancelled."""
        self.alive, self.stopped = True, False
        self._run_held()

    def _run_held(self) -> None:
        held, self._held = self._held, []
        for handle in held:
            if not handle.cancelled():
                self._loop._ready.append(handle)  # type: ignore[attr-defined]

    def kill(self) -> None:
        """Like SIGKILL."""
        if not self.alive:
            return
        self.alive = False
        for callback in self.on_kill:
            callback()
