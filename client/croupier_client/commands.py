"""Commands that wait for their replies, and the frames that they go out in."""

import asyncio
from collections import deque
from time import monotonic
from typing import Final

from croupier_client.codecs import Codec, SocketReply

FRAME_BYTES_MAX: Final = 16 * 1024
"""What the server takes."""

COMMANDS_PER_FRAME: Final = 16
_HEAD_BYTES: Final = 3

_RATE: Final = 0.7
_BURST: Final = 0.25


class Waiting:
    """A command that is not answered yet. `sent`: it may have reached the server."""

    __slots__ = ("answer", "id", "packed", "sent")

    def __init__(self, command_id: int, packed: bytes, answer: "asyncio.Future[SocketReply]") -> None:
        self.id = command_id
        self.packed = packed
        self.answer = answer
        self.sent = False


class Commands:
    """The commands of one stream, in their order. What is added within one turn of the event loop shares frames."""

    def __init__(self, codec: Codec, commands_per_frame: int) -> None:
        self._codec = codec
        self._commands_per_frame = commands_per_frame
        self._waiting: dict[int, Waiting] = {}
        self._unsent: deque[Waiting] = deque()
        self._last_id = 0
        self.wake = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, name: str, arguments: object, key: str, answer: "asyncio.Future[SocketReply]") -> Waiting:
        """Send a command as soon as there is a socket. Raises ValueError for one that fits into no frame."""
        self._last_id += 1
        packed = self._codec.encode((self._last_id, name, arguments, key))
        if len(packed) > FRAME_BYTES_MAX - _HEAD_BYTES:
            raise ValueError(f"{name}: the arguments are too large for a socket; ask over HTTP")
        waiting = Waiting(self._last_id, packed, answer)
        self._waiting[waiting.id] = waiting
        self._unsent.append(waiting)
        self.wake.set()
        return waiting

    def forget(self, waiting: Waiting) -> None:
        """Nobody waits for its answer any more: do not send it, or not again."""
        self._waiting.pop(waiting.id, None)

    def answered(self, reply: SocketReply) -> bool:
        """Hand a reply to who waits for it; False where nobody does."""
        waiting = self._waiting.pop(reply.id, None)
        if waiting is None:
            return False
        if not waiting.answer.done():
            waiting.answer.set_result(reply)
        return True

    def again(self) -> None:
        """On a new socket: send all that was not answered, under the keys that it had."""
        self._unsent = deque(self._waiting.values())
        if self._unsent:
            self.wake.set()

    def fail(self) -> None:
        """Nothing will be answered any more: who waits gets ConnectionAbortedError."""
        for waiting in self._waiting.values():
            if not waiting.answer.done():
                waiting.answer.set_exception(ConnectionAbortedError())
        self._waiting.clear()
        self._unsent.clear()

    def frame(self) -> bytes:
        """The next frame, with as many commands as fit; empty where there is nothing to send."""
        unsent, chosen, size = self._unsent, list[bytes](), _HEAD_BYTES
        while unsent and len(chosen) < self._commands_per_frame:
            waiting = unsent[0]
            if waiting.id not in self._waiting:
                unsent.popleft()
                continue
            size += len(waiting.packed) + 1
            if size > FRAME_BYTES_MAX and chosen:
                break
            unsent.popleft()
            waiting.sent = True
            chosen.append(waiting.packed)
        if len(chosen) > 1:
            return self._codec.join(chosen)
        return chosen[0] if chosen else b""


class Pace:
    """Keeps below the server's limit of frames in any second; 0 is no limit."""

    def __init__(self, frames_per_second: int) -> None:
        self._each_s = 1 / (frames_per_second * _RATE) if frames_per_second else 0.0
        self._ahead_s = frames_per_second * _BURST * self._each_s
        self._next_s = 0.0

    async def turn(self) -> None:
        """Wait until another frame may be sent."""
        if not self._each_s:
            return
        now_s = monotonic()
        self._next_s = max(now_s, self._next_s) + self._each_s
        wait_s = self._next_s - now_s - self._ahead_s
        if wait_s > 0:
            await asyncio.sleep(wait_s)
