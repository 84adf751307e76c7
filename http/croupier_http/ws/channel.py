"""Commands over a socket: each frame's commands go to Redis at once, and each reply goes out as soon as it is there."""

import asyncio
import time
from collections import deque
from collections.abc import Mapping
from functools import partial
from time import monotonic
from typing import Any, Final

import msgspec
import msgspec.inspect

from croupier.command import Outcome, check_idempotency_key
from croupier.errors import CroupierError
from croupier.op_id import OpIds
from croupier.run import AnyRun
from croupier_http.commands import CommandRunner
from croupier_http.errors import error_body, retry_after
from croupier_http.failures import FailureLog
from croupier_http.logs import REQUEST_ID
from croupier_http.metrics import SOCKET_COMMAND_SECONDS, Sampler, SecondsTally
from croupier_http.ws.codecs import MSGPACK, Call, MalformedFrame
from croupier_http.ws.connection import INVALID, TOKEN_EXPIRED, TOO_MANY_FRAMES, Connection

IN_FLIGHT_MAX: Final = 128
"""Commands of one socket that wait for their replies at once. Further ones wait in the socket."""

_NO_LIMIT: Final = 2**62

PING: Final = "ping"
_UNKNOWN: Final = "websocket"


class Channels:
    """What the channels of a worker share. `runners` are the commands by name."""

    def __init__(
        self,
        runners: Mapping[str, CommandRunner],
        op_ids: OpIds,
        failures: FailureLog,
        frames_per_second: int,
        commands_per_second: int,
        sampler: Sampler,
    ) -> None:
        """The limits are those of each socket; 0 is none."""
        self.runners = runners
        self.new_id = op_ids.new
        loop = asyncio.get_running_loop()
        self.create_task = loop.create_task
        self.call_soon = loop.call_soon
        self.call_later = loop.call_later
        self.failures = failures
        self.frames_per_second = frames_per_second or _NO_LIMIT
        self.commands_per_second = commands_per_second or _NO_LIMIT
        self.seconds = {name: SecondsTally(SOCKET_COMMAND_SECONDS, name) for name in runners}
        sampler.tallies += self.seconds.values()
        # Where a reply has times, msgpack needs them put as JSON has them.
        self.with_times = frozenset(
            name
            for name, runner in runners.items()
            if "DateTimeType" in repr(msgspec.inspect.type_info(runner.command.reply))
        )


class Channel:
    """Runs the commands of one connection.

    At most `IN_FLIGHT_MAX` at once and so many in a second, none while the client does not read, and no frame is read
    while commands wait for one of these reasons: the client's socket fills up, and not this process.
    """

    __slots__ = (
        "_channels",
        "_commands_left",
        "_connection",
        "_frames_left",
        "_next_second",
        "_paused",
        "_second",
        "_waiting",
        "draining",
        "in_flight",
    )

    def __init__(self, connection: Connection, channels: Channels) -> None:
        self.in_flight = 0
        self.draining = False
        self._connection = connection
        self._channels = channels
        self._waiting: deque[Call] | None = None
        self._paused = False
        self._second = 0
        self._frames_left = 0
        self._commands_left = 0
        self._next_second: asyncio.TimerHandle | None = None
        connection.on_frame = self._frame
        connection.on_control = self._is_allowed
        connection.on_drained = self._go_on

    @property
    def is_idle(self) -> bool:
        """Whether everything that was asked for has been answered."""
        return not self.in_flight and not self._waiting

    def _frame(self, frame: bytes) -> None:
        connection = self._connection
        if self.draining:
            return  # not begun, and so not answered: the client asks again after it has connected again
        if connection.identity.expires_s <= time.time():
            connection.close(TOKEN_EXPIRED, "the token has expired")
            return
        if not self._is_allowed():
            return
        try:
            calls = connection.codec.calls(frame)
        except MalformedFrame:
            connection.close(INVALID, "neither a command [id, name, arguments, key?] nor a list of commands")
            return
        count = len(calls)
        if (
            self._waiting
            or count > IN_FLIGHT_MAX - self.in_flight
            or count > self._commands_left
            or connection.is_slow
        ):
            self._waiting = self._waiting or deque()
            self._waiting.extend(calls)
            self._go_on()
            return
        self._commands_left -= count
        for call in calls:
            self._begin(call)

    def _look_at_clock(self) -> None:
        """In a new second there is room for as many frames and commands as in any."""
        second = int(monotonic())
        if second != self._second:
            self._second = second
            self._frames_left = self._channels.frames_per_second
            self._commands_left = self._channels.commands_per_second

    def _is_allowed(self) -> bool:
        """Count a frame; close the socket where it is one too many in its second."""
        self._look_at_clock()
        self._frames_left -= 1
        if self._frames_left >= 0:
            return True
        allowed = self._channels.frames_per_second
        self._connection.close(TOO_MANY_FRAMES, f"more than {allowed} frames in a second")
        return False

    def _go_on(self) -> None:
        """Begin what may be begun of the commands that wait; read on once none does."""
        waiting, connection = self._waiting, self._connection
        if waiting is None:
            return
        if connection.is_ending:
            waiting.clear()  # nobody would see the replies, and who was put out is not to go on
        self._look_at_clock()
        if self.draining:
            self._commands_left = _NO_LIMIT  # nothing more is read, and nobody is to wait for these
        while waiting and self._commands_left and self.in_flight < IN_FLIGHT_MAX and not connection.is_slow:
            self._commands_left -= 1
            self._begin(waiting.popleft())
        if waiting and not self._commands_left and self._next_second is None:
            wait_s = self._second + 1 - monotonic()
            self._next_second = self._channels.call_later(max(wait_s, 0.001), self._second_is_over)
        if bool(waiting) is not self._paused:
            self._paused = not self._paused
            if self._paused:
                connection.pause_reading()
            else:
                connection.resume_reading()
        if not waiting:
            self._waiting = None

    def _second_is_over(self) -> None:
        self._next_second = None
        self._go_on()

    def _begin(self, call: Call) -> None:
        """Begin a command; what refuses it at once is answered at once."""
        connection, channels = self._connection, self._channels
        self.in_flight += 1
        op_id, operation = channels.new_id(), _UNKNOWN
        try:
            if call.command == PING:
                connection.reply(
                    connection.codec.encode((call.id, 200, {"time_ms": round(time.time() * 1000)}))
                )
                channels.call_soon(self._ended)
                return
            runner = channels.runners.get(call.command)
            if runner is None:
                raise CroupierError("NOT_FOUND", "There is no such command here.")
            operation = runner.operation
            runner.check_access(connection.identity)
            if call.key is not None:
                check_idempotency_key(call.key)
            request = connection.codec.request(runner, call.arguments)
            run = runner.begin(connection.identity, request, op_id, call.key or "")
        except Exception as error:
            self._refuse(call, error, operation, op_id)
            # Not now: of a frame with thousands of these, each turn of the event loop takes so many as of others.
            channels.call_soon(self._ended)
            return
        if run.answer is None:
            self._finish_later(call, runner, run, connection.heard_s)
        else:
            run.answer.add_done_callback(partial(self._answered, call, runner, run, connection.heard_s))

    def _answered(
        self, call: Call, runner: CommandRunner, run: AnyRun, started_s: float, _answer: object
    ) -> None:
        """The script has answered: mostly that it has done it. What else there is to do takes a task."""
        try:
            outcome = runner.outcome(run)
            if outcome is None:
                self._finish_later(call, runner, run, started_s)
                return
            self._reply(call, outcome)
        except Exception as error:
            self._refuse(call, error, runner.operation, run.caller.op_id)
        self._channels.seconds[call.command].observe(monotonic() - started_s)
        self._ended()

    def _finish_later(self, call: Call, runner: CommandRunner, run: AnyRun, started_s: float) -> None:
        # The future of its call to Redis keeps the task alive.
        self._channels.create_task(self._finish(call, runner, run, started_s))

    async def _finish(self, call: Call, runner: CommandRunner, run: AnyRun, started_s: float) -> None:
        REQUEST_ID.set(run.caller.op_id.hex())
        try:
            self._reply(call, await runner.finish(run))
        except Exception as error:
            self._refuse(call, error, runner.operation, run.caller.op_id)
        finally:
            self._channels.seconds[call.command].observe(monotonic() - started_s)
            self._ended()

    def _ended(self) -> None:
        self.in_flight -= 1
        if self._waiting:
            self._go_on()

    def _reply(self, call: Call, outcome: Outcome[Any]) -> None:
        connection, (reply, replayed, rate_blocked) = self._connection, outcome
        if connection.codec is MSGPACK and call.command in self._channels.with_times:
            reply = msgspec.to_builtins(reply)
        answer: tuple[object, ...] = (call.id, 200, reply)
        if replayed:
            answer += ({"replayed": True},)
        elif rate_blocked:
            answer += ({"rate_limit_sim": "blocked"},)
        connection.reply(connection.codec.encode(answer))

    def _refuse(self, call: Call, error: Exception, operation: str, op_id: bytes) -> None:
        if not isinstance(error, CroupierError):
            internal = CroupierError("INTERNAL")
            internal.__cause__ = error
            error = internal
        connection, request_id = self._connection, op_id.hex()
        token = REQUEST_ID.set(request_id)
        self._channels.failures.write(error, operation, op_id)
        REQUEST_ID.reset(token)
        facts: dict[str, object] = {"op_id": request_id}
        if (wait_s := retry_after(error)) is not None:
            facts["retry_after"] = wait_s
        answer = call.id, error.kind.status, error_body(error, request_id), facts
        connection.reply(connection.codec.encode(answer))
