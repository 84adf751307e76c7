"""Commands over a socket: each frame's commands go to Redis at once, and each reply goes out as soon as it is there."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any, Final

import msgspec
import msgspec.inspect

from croupier.command import check_idempotency_key
from croupier.errors import CroupierError
from croupier.op_id import OpIds
from croupier_http.commands import CommandRunner
from croupier_http.errors import error_body, retry_after
from croupier_http.failures import FailureLog
from croupier_http.logs import REQUEST_ID
from croupier_http.ws.codecs import MSGPACK, Call, MalformedFrame
from croupier_http.ws.connection import INVALID, TOKEN_EXPIRED, TOO_MANY_FRAMES, Connection

IN_FLIGHT_MAX: Final = 128
"""Commands of one socket that wait for their replies at once. Further ones wait in the socket."""

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
        banned: Callable[[int], None],
    ) -> None:
        """`frames_per_second` is the limit per socket; 0 is none. `banned` hears of players whom a script refused."""
        self.runners = runners
        self.new_id = op_ids.new
        self.create_task = asyncio.get_running_loop().create_task  # half the price of asyncio.create_task
        self.failures = failures
        self.frames_per_second = frames_per_second
        self.banned = banned
        # Where a reply has times, msgpack needs them put as JSON has them.
        self.with_times = frozenset(
            name
            for name, runner in runners.items()
            if "DateTimeType" in repr(msgspec.inspect.type_info(runner.command.reply))
        )


class Channel:
    """Runs the commands of one connection.

    At most `IN_FLIGHT_MAX` at once, none while the client does not read, and no frame is read while commands wait for
    one of these reasons: the client's socket fills up, and not this process.
    """

    __slots__ = (
        "_channels",
        "_connection",
        "_frames",
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
        self._frames = 0
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
        if self._waiting or len(calls) > IN_FLIGHT_MAX - self.in_flight or connection.is_slow:
            self._waiting = self._waiting or deque()
            self._waiting.extend(calls)
            self._go_on()
            return
        for call in calls:
            self._begin(call)

    def _is_allowed(self) -> bool:
        """Count a frame; close the socket where it is one too many in its second."""
        allowed = self._channels.frames_per_second
        if not allowed:
            return True
        second = int(monotonic())
        if second != self._second:
            self._second, self._frames = second, 0
        self._frames += 1
        if self._frames > allowed:
            self._connection.close(TOO_MANY_FRAMES, f"more than {allowed} frames in a second")
        return self._frames <= allowed

    def _go_on(self) -> None:
        """Begin what may be begun of the commands that wait; read on once none does."""
        waiting, connection = self._waiting, self._connection
        if waiting is None:
            return
        if connection.is_ending:
            waiting.clear()  # nobody would see the replies, and who was put out is not to go on
        while waiting and self.in_flight < IN_FLIGHT_MAX and not connection.is_slow:
            self._begin(waiting.popleft())
        if bool(waiting) is not self._paused:
            self._paused = not self._paused
            if self._paused:
                connection.pause_reading()
            else:
                connection.resume_reading()
        if not waiting:
            self._waiting = None

    def _begin(self, call: Call) -> None:
        self.in_flight += 1
        # The future of its call to Redis keeps the task alive.
        self._channels.create_task(self._run(call)).add_done_callback(self._ran)

    def _ran(self, task: "asyncio.Task[None]") -> None:
        self.in_flight -= 1
        if self._waiting:
            self._go_on()
        if not task.cancelled():
            task.result()

    async def _run(self, call: Call) -> None:
        connection, channels = self._connection, self._channels
        encode = connection.codec.encode
        if call.command == PING:
            connection.reply(encode((call.id, 200, {"time_ms": round(time.time() * 1000)})))
            return
        op_id, operation = channels.new_id(), _UNKNOWN
        REQUEST_ID.set(op_id.hex())
        try:
            runner = channels.runners.get(call.command)
            if runner is None:
                raise CroupierError("NOT_FOUND", "There is no such command here.")
            operation = runner.operation
            runner.check_access(connection.identity)
            if call.key is not None:
                check_idempotency_key(call.key)
            request = connection.codec.request(runner, call.arguments)
            outcome = await runner.run(connection.identity, request, op_id, call.key or "")
            reply = outcome.reply
            if connection.codec is MSGPACK and call.command in channels.with_times:
                reply = msgspec.to_builtins(reply)
            answer: tuple[Any, ...] = (call.id, 200, reply)
            if outcome.replayed:
                answer += ({"replayed": True},)
            elif outcome.rate_blocked:
                answer += ({"rate_limit_sim": "blocked"},)
        except CroupierError as error:
            answer = self._refused(call, error, operation, op_id)
        except Exception as error:
            internal = CroupierError("INTERNAL")
            internal.__cause__ = error
            answer = self._refused(call, internal, operation, op_id)
        connection.reply(encode(answer))
        if answer[1] != 200 and answer[2]["code"] == "PLAYER_BANNED":
            channels.banned(connection.identity.uid)

    def _refused(self, call: Call, error: CroupierError, operation: str, op_id: bytes) -> tuple[Any, ...]:
        self._channels.failures.write(error, operation, op_id)
        facts: dict[str, object] = {"op_id": op_id.hex()}
        if (wait_s := retry_after(error)) is not None:
            facts["retry_after"] = wait_s
        return call.id, error.kind.status, error_body(error, op_id.hex()), facts
