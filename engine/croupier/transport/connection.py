"""One connection: calls go out in batches, replies come back in the same order."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Final, TypeAlias, cast

import hiredis

from croupier.transport.errors import (
    MOVED_AWAY_CODES,
    OutcomeUnknown,
    Overloaded,
    ReplyError,
    Unavailable,
    reply_error,
)

Argument: TypeAlias = bytes | str | int
Reply: TypeAlias = bytes | int | list["Reply"] | ReplyError | None

# (where the reply goes, deadline on the clock of time.monotonic, the packed command)
_Call: TypeAlias = tuple["asyncio.Future[Reply]", float, bytes]

# How late a passed deadline may be noticed. One timer looks at all calls, instead of one timer for each.
_SWEEP_INTERVAL_S: Final = 0.05

_INCOMPLETE: Final = object()

# Encodes one command. Raises TypeError for anything but bytes, str and int (bool is refused too).
pack = cast("Callable[[tuple[Argument, ...]], bytes]", hiredis.pack_command)


@dataclass(slots=True)
class Counters:
    """What is counted over all connections of a transport."""

    unknown_outcomes: int = 0


class Connection(asyncio.Protocol):
    """A connection's queues.

    A call is unwritten until the next turn of the event loop (longer while the socket does not drain), then
    written until its reply arrives. A written call keeps its place even when its caller has gone (cancelled,
    or past its deadline), since the replies of all later calls are found by counting.

    The connection is dropped when a deadline has passed and not one byte arrives for `stall_s` after it: the
    server is stopped, or the network swallows packets. Slow but steady replies keep it. `on_missed` hears of
    missed deadlines: how many there are since the last reply that was in time.
    """

    def __init__(
        self,
        peer: str,
        *,
        in_flight_max: int,
        stall_s: float,
        on_retired: Callable[["Connection", str], None],
        on_missed: Callable[["Connection", int], None],
    ) -> None:
        loop = asyncio.get_running_loop()
        self._loop = loop
        self._new_future = cast("Callable[[], asyncio.Future[Reply]]", loop.create_future)
        self._peer = peer
        self._in_flight_max = in_flight_max
        self._on_retired = on_retired
        self._on_missed = on_missed
        self._reader = hiredis.Reader(replyError=reply_error, notEnoughData=_INCOMPLETE)
        self._socket: asyncio.Transport | None = None
        self._unwritten: list[_Call] = []
        self._written: deque[_Call] = deque()
        self._paused = False
        self._retired = False
        self._sweep_timer: asyncio.TimerHandle | None = None
        self._heard = False  # whether anything has arrived since the last sweep
        # Silence is counted in sweeps and not by the clock: when this process itself was held up, one late
        # sweep must not pass for a long silence of the server.
        self._silent_sweeps = 0
        self._silent_sweeps_max = max(1, round(stall_s / _SWEEP_INTERVAL_S))
        self._missed_in_a_row = 0  # deadlines that passed since the last reply that somebody waited for
        # Its own during the handshake, which is nobody's call; the transport's afterwards.
        self.counters = Counters()
        self.closed = False
        self.lost: asyncio.Future[None] = loop.create_future()

    @property
    def in_flight(self) -> int:
        """Calls that hold a place in the queues, including those whose callers have gone."""
        return len(self._written) + len(self._unwritten)

    def submit(self, packed: bytes, deadline_s: float) -> "asyncio.Future[Reply]":
        """Queue a packed command for the next write. `deadline_s` is on the clock of `time.monotonic`.

        Not to be called once the connection is retired. Raises Overloaded.
        """
        unwritten = self._unwritten
        if len(unwritten) + len(self._written) >= self._in_flight_max:
            raise Overloaded(f"{self._in_flight_max} calls to Redis at {self._peer} are already in flight")
        if not unwritten:
            self._begin_batch()
        future = self._new_future()
        unwritten.append((future, deadline_s, packed))
        return future

    def flush(self) -> None:
        """Write everything that waits, in one piece, unless the socket asked for a pause."""
        if self._paused or not self._unwritten:
            return
        assert self._socket is not None
        batch, self._unwritten = self._unwritten, []
        self._written.extend(batch)
        self._socket.write(b"".join([packed for _, _, packed in batch]))

    def retire(self, reason: str) -> None:
        """Take no further calls, refuse those not yet written, close once the written ones are answered."""
        if self._retired:
            return
        self._retired = True
        self._on_retired(self, reason)
        self._fail_unwritten(reason)
        if not self._written:
            self.close(reason)

    def close(self, reason: str) -> None:
        """Close at once and fail every call that has no reply yet."""
        if self.closed:
            return
        self.closed = True
        if not self._retired:
            self._retired = True
            self._on_retired(self, reason)
        self._fail_unwritten(reason)
        self._fail_written(reason)
        if self._sweep_timer is not None:
            self._sweep_timer.cancel()
        if self._socket is not None:
            self._socket.abort()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._socket = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._heard = True
        next_reply, next_call = self._reader.gets, self._written.popleft
        try:
            self._reader.feed(data)
            while (reply := next_reply()) is not _INCOMPLETE:
                future = next_call()[0]
                if type(reply) is ReplyError:
                    self._error_received(future, reply)
                elif not future.done():
                    future.set_result(reply)
                    self._missed_in_a_row = 0
        except hiredis.ProtocolError as error:
            self.close(f"what the server sent is not the Redis protocol: {error}")
        except IndexError:
            self.close("the server sent a reply that nobody asked for")
        if self._retired and not self._written:
            self.close("everything written has been answered")

    def eof_received(self) -> None:
        # At once, and not when the event loop comes to `connection_lost`: calls made in between are refused.
        self.close("the server closed the connection")

    def connection_lost(self, exc: Exception | None) -> None:
        self.close(str(exc) if exc else "the connection was closed")
        if not self.lost.done():
            self.lost.set_result(None)

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._drop_unwritten_overdue(monotonic())
        self.flush()

    # Parts of the above.

    def _begin_batch(self) -> None:
        self._loop.call_soon(self.flush)
        if self._sweep_timer is None:
            self._sweep_timer = self._loop.call_later(_SWEEP_INTERVAL_S, self._sweep)

    def _error_received(self, future: "asyncio.Future[Reply]", error: ReplyError) -> None:
        if not future.done():
            future.set_exception(error)
            self._missed_in_a_row = 0
        if error.code in MOVED_AWAY_CODES:
            self.retire(f"the server answered {error.code}")

    def _sweep(self) -> None:
        """Fail the calls whose deadline has passed; drop the connection if the server has gone silent."""
        now_s = monotonic()
        missed_before = self._missed_in_a_row
        self._drop_unwritten_overdue(now_s)
        overdue = self._fail_written_overdue(now_s)
        if self._missed_in_a_row > missed_before:
            self._on_missed(self, self._missed_in_a_row)
        self._silent_sweeps = self._silent_sweeps + 1 if overdue and not self._heard else 0
        self._heard = False
        if self._silent_sweeps > self._silent_sweeps_max:
            self.close("a deadline passed and the server has been silent since")
            return
        if self._written or self._unwritten:
            self._sweep_timer = self._loop.call_later(_SWEEP_INTERVAL_S, self._sweep)
        else:
            self._sweep_timer = None

    def _fail_written_overdue(self, now_s: float) -> bool:
        """Return whether any written call is past its deadline. All are looked at: deadlines differ."""
        overdue = False
        for future, deadline_s, _ in self._written:
            if deadline_s <= now_s:
                overdue = True
                if not future.done():
                    self._missed_in_a_row += 1
                    future.set_exception(self._outcome_unknown("its deadline passed without a reply"))
        return overdue

    def _drop_unwritten_overdue(self, now_s: float) -> None:
        kept = []
        for call in self._unwritten:
            future, deadline_s, _ = call
            if future.done():
                continue
            if deadline_s <= now_s:
                self._missed_in_a_row += 1
                future.set_exception(
                    Unavailable(
                        f"Redis at {self._peer}: the deadline passed before the command could be written"
                    )
                )
            else:
                kept.append(call)
        self._unwritten = kept

    def _fail_unwritten(self, reason: str) -> None:
        calls, self._unwritten = self._unwritten, []
        for future, _, _ in calls:
            if not future.done():
                future.set_exception(Unavailable(f"Redis at {self._peer}: {reason}; nothing was sent"))

    def _fail_written(self, reason: str) -> None:
        calls, self._written = self._written, deque()
        for future, _, _ in calls:
            if not future.done():
                future.set_exception(self._outcome_unknown(reason))

    def _outcome_unknown(self, reason: str) -> OutcomeUnknown:
        self.counters.unknown_outcomes += 1
        return OutcomeUnknown(
            f"Redis at {self._peer}: the command was written, then {reason}; it may have run"
        )
