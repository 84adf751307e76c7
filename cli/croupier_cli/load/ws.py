"""Load over WebSockets: raw connections, one frame of commands at a time on each."""

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from croupier_cli.load import frames
from croupier_cli.load.http import GameReply
from croupier_cli.load.keys import Keys
from croupier_cli.load.line import Line, Unreadable
from croupier_cli.load.scenarios import Mix, Step
from croupier_cli.load.target import Target
from croupier_client.codecs import Codec, SocketReply
from croupier_client.stream import PLAYER

_OK: Final = 200
_ACCEPTED: Final = b"HTTP/1.1 101 "
_HEAD_END: Final = b"\r\n\r\n"
_HEAD_BYTES_MAX: Final = 64 * 1024


class WsFrames:
    """Deals steps, and puts frames together. Ids are places in a frame: they are used again once they were answered."""

    def __init__(
        self, mix: Mix, target: Target, codec: Codec, commands_per_frame: int, keys: Keys | None
    ) -> None:
        self.next_step = mix.deal().__next__
        self.codec = codec
        self.commands_per_frame = commands_per_frame
        self._opcode = frames.TEXT if codec.is_text else frames.BINARY
        self._keys = keys
        self._target = target
        self._packed = [
            [codec.encode((place, step.command, step.arguments)) for place in range(commands_per_frame)]
            for step in mix.steps
        ]

    def of(self, steps: Sequence[Step]) -> bytes:
        """One frame with a command for each step."""
        if self._keys is None:
            packed = [self._packed[step.number][place] for place, step in enumerate(steps)]
        else:
            packed = [self._command(place, step, step.arguments) for place, step in enumerate(steps)]
        return self._frame(packed)

    def of_games(self, steps: Sequence[Step], game_ids: Sequence[str]) -> bytes:
        """One frame with a command for each step, for the games that answers have named."""
        return self._frame(
            [
                self._command(place, steps[place], {"game_id": game_id})
                for place, game_id in enumerate(game_ids)
            ]
        )

    def _command(self, place: int, step: Step, arguments: Any) -> bytes:
        if self._keys is None:
            return self.codec.encode((place, step.command, arguments))
        return self.codec.encode((place, step.command, arguments, self._keys.next().decode()))

    def _frame(self, packed: list[bytes]) -> bytes:
        return frames.masked(packed[0] if len(packed) == 1 else self.codec.join(packed), self._opcode)

    def handshake(self, token: str) -> bytes:
        """The request that opens a socket."""
        return (
            f"GET {self._target.prefix}{PLAYER} HTTP/1.1\r\nHost: {self._target.authority}\r\n"
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            f"Sec-WebSocket-Protocol: {self.codec.name}\r\nAuthorization: Bearer {token}\r\n\r\n"
        ).encode()


class WsLine(Line):
    """One socket of one player: sends a frame, waits for the replies to all its commands, sends the next.

    It is ready once it was greeted, because a server that has too many of a player's sockets closes one at once.
    """

    def __init__(self, calls: WsFrames, token: str, on_lost: Callable[[Line], None]) -> None:
        super().__init__(on_lost)
        self._calls = calls
        self._token = token
        self._head: bytes | None = b""
        self._reader = frames.FrameReader()
        self._due_ns = 0
        self._waiting: list[Step | None] = []
        self._left = 0
        self._then: list[Step] = []
        self._game_ids: list[str] = []

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.transport.write(self._calls.handshake(self._token))

    def send(self, due_ns: int) -> None:
        calls = self._calls
        next_step = calls.next_step
        steps = [next_step() for _ in range(calls.commands_per_frame)]
        self._sent(steps, calls.of(steps), due_ns)

    def _sent(self, steps: list[Step], frame: bytes, due_ns: int) -> None:
        self._waiting = [*steps]
        self._left = len(steps)
        self._due_ns = due_ns
        self.sent_ns = time.perf_counter_ns()
        self.transport.write(frame)

    def unanswered(self, why: str) -> None:
        for step in self._waiting:
            if step is not None:
                self.run.tally.failed(step, why, self._due_ns)

    def data_received(self, data: bytes) -> None:
        if self._head is not None:
            rest = self._accepted(self._head + data)
            if rest is None:
                return
            data = rest
        try:
            for opcode, payload in self._reader.feed(data):
                if opcode <= frames.BINARY:
                    self._message(payload)
                elif opcode == frames.PING:
                    self.transport.write(frames.masked(payload, frames.PONG))
                elif opcode == frames.CLOSE:
                    why = payload[2:].decode("utf-8", "replace")
                    self.give_up(f"closed {int.from_bytes(payload[:2], 'big')} {why}".rstrip())
        except (Unreadable, msgspec.DecodeError, UnicodeDecodeError) as error:
            self.unreadable(str(error))

    def _accepted(self, received: bytes) -> bytes | None:
        """What follows the handshake's reply; None where that is not complete, or a refusal."""
        end = received.find(_HEAD_END)
        if end < 0 and len(received) <= _HEAD_BYTES_MAX:
            self._head = received
            return None
        if not received.startswith(_ACCEPTED):
            line = received[: max(received.find(b"\r\n"), 0)][:80].decode("ascii", "replace")
            self.unreadable(f"the handshake is answered with {line!r}")
            return None
        self._head = None
        return received[end + len(_HEAD_END) :]

    def _message(self, payload: bytes) -> None:
        message = self._calls.codec.read(payload)
        if message.push:
            if not self.is_open:
                self.is_ready()
            return
        for reply in message.replies:
            self._answered(reply)
        if self._left or not self.sent_ns:
            return
        if self._then:
            steps, game_ids = self._then, self._game_ids
            self._then, self._game_ids = [], []
            self._sent(steps, self._calls.of_games(steps, game_ids), time.perf_counter_ns())
            return
        self.sent_ns = 0
        self.run.free(self)

    def _answered(self, reply: SocketReply) -> None:
        step = self._waiting[reply.id] if 0 <= reply.id < len(self._waiting) else None
        if step is None:
            raise Unreadable(f"an answer to no command: {reply.id}")
        self._waiting[reply.id] = None
        self._left -= 1
        codec = self._calls.codec
        self.run.tally.answered(step, reply.status, reply.body, codec.is_text, self._due_ns)
        if step.then is not None and reply.status == _OK:
            self._then.append(step.then)
            self._game_ids.append(codec.decoder(GameReply).decode(reply.body).game_id)
