"""One stretch of load: connections take the turns that a schedule hands out."""

import asyncio
import contextlib
import signal
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Final, Protocol

from croupier_cli.load.schedule import NOT_NOW, OpenLoop, Schedule
from croupier_cli.load.tally import TIMEOUT, Tally

_LOOK_S: Final = 0.05
_SECOND_NS: Final = 1_000_000_000
_TICK_MIN_S: Final = 0.0005
"""A tick costs 30 us of CPU. Between ticks, turns that are due are seen at each answer too."""

GONE_AFTER_S: Final = 10.0


class ServerGone(Exception):
    """There has been no connection for `GONE_AFTER_S`."""


class Connection(Protocol):
    """What carries turns, one at a time."""

    sent_ns: int
    """When the request that waits for its answer was sent; 0 where none does."""

    run: "Run"

    def send(self, due_ns: int) -> None:
        """Begin a turn that is due since then; `run.free` or `run.lost` will say that it is over."""

    def give_up(self, why: str) -> None:
        """Close the connection; what waits for an answer counts as failed for this reason."""


class Run:
    """Brings turns and connections together; at most `places` turns are on their way at once."""

    def __init__(self, schedule: Schedule, tally: Tally, places: int) -> None:
        self.schedule = schedule
        self.tally = tally
        self.in_flight = 0
        self.is_done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._take: Callable[[int], int] = schedule.take
        self._places = places
        self._idle: deque[Connection] = deque()

    def begin(self, connections: Iterable[Connection]) -> None:
        """Let these take turns, as soon as there are any."""
        for connection in connections:
            connection.run = self
            self._idle.append(connection)
        self.turn()

    def turn(self) -> None:
        """Begin all turns that are due and that there is a connection for."""
        now_ns = time.perf_counter_ns()
        while self.in_flight < self._places and self._idle:
            due_ns = self._take(now_ns)
            if due_ns < 0:
                break
            self.in_flight += 1
            self._idle.popleft().send(due_ns)
        if not self.in_flight and self.schedule.is_over(now_ns):
            self._end(now_ns)

    def tick(self) -> None:
        """Time has passed."""
        self.schedule.look(time.perf_counter_ns())
        self.turn()

    def free(self, connection: Connection) -> None:
        """Its turn is over."""
        self.in_flight -= 1
        self._idle.append(connection)
        self.turn()

    def lost(self, connection: Connection, *, in_turn: bool) -> None:
        """It is gone, and the turn that it was in is over."""
        if in_turn:
            self.in_flight -= 1
            self.turn()
        else:
            with contextlib.suppress(ValueError):
                self._idle.remove(connection)

    def stop(self) -> None:
        """End now. Nothing is sent any more, and what is on its way is not counted."""
        self._take = lambda _now_ns: NOT_NOW
        self._end(time.perf_counter_ns())

    def fail(self, error: Exception) -> None:
        """End with this error."""
        if not self.is_done.done():
            self.is_done.set_exception(error)

    def _end(self, now_ns: int) -> None:
        if not self.is_done.done():
            self.tally.ended_ns = now_ns
            self.is_done.set_result(None)


async def watch(
    run: Run,
    connections: Callable[[], Iterable[Connection]],
    ends_ns: int,
    timeout_s: float,
    show: Callable[[int], None],
) -> None:
    """Return when the run is over. Meanwhile end what takes too long, close seconds, and `show` how it goes.

    What waits `timeout_s` after the end to be sent will not be sent. Raises ServerGone, and what the run ended with.
    """
    timeout_ns = round(timeout_s * 1e9)
    next_ns = run.tally.begins_ns + _SECOND_NS
    seen_ns = time.perf_counter_ns()
    while not run.is_done.done():
        await asyncio.wait([run.is_done], timeout=_LOOK_S)
        now_ns, any_is_open = time.perf_counter_ns(), False
        for connection in list(connections()):
            any_is_open = True
            if connection.sent_ns and now_ns - connection.sent_ns > timeout_ns:
                connection.give_up(TIMEOUT)
        if now_ns - ends_ns > timeout_ns:
            run.schedule.give_up()
        if any_is_open:
            seen_ns = now_ns
        elif now_ns - seen_ns > GONE_AFTER_S * 1e9:
            run.schedule.give_up()
            run.stop()
            raise ServerGone(f"the server has gone: no connection for {GONE_AFTER_S:g} s")
        if now_ns >= next_ns and not run.is_done.done():
            next_ns += _SECOND_NS
            run.tally.next_second(now_ns)
        show(now_ns)
        if not run.is_done.done():
            run.tick()
    run.tally.next_second(run.tally.ended_ns)
    run.is_done.result()


@contextlib.contextmanager
def ticking(run: Run, per_s: float) -> Iterator[None]:
    """Look for turns that are due as often as they become due, while the block runs. In the main thread only.

    By the system's interval timer, because those of the event loop count in whole milliseconds, and would add half of
    one to each latency.
    """
    if not isinstance(run.schedule, OpenLoop):
        yield
        return
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGALRM, run.tick)
    pause_s = max(1 / per_s, _TICK_MIN_S)
    signal.setitimer(signal.ITIMER_REAL, pause_s, pause_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        loop.remove_signal_handler(signal.SIGALRM)
