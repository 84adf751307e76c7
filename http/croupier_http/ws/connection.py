"""One open socket: frames in, frames out, and the bounds on both."""

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Final, Literal

from aiohttp import web

from croupier_http.auth import Identity
from croupier_http.metrics import PUSHES_DROPPED, SocketTallies
from croupier_http.ws.codecs import Codec
from croupier_http.ws.frames import CLOSE, PING, PONG, TEXT, frame_head
from croupier_http.ws.wire import UNSENT_BYTES_MAX, Wire

Kind = Literal["player", "monitor", "notifications"]
Place = tuple[int, int]
"""Where an event stands in its partition's log: epoch and seq."""

HELD_MAX: Final = 256
"""Pushes that are held back while the newest state is being looked up."""

CLOSING_TIMEOUT_S: Final = 2.0
"""How long the client may take to answer a close frame, or to read what stands before it."""

NORMAL, GOING_AWAY, UNSUPPORTED, INVALID, POLICY = 1000, 1001, 1003, 1007, 1008
RESTART, TRY_LATER = 1012, 1013
TOKEN_EXPIRED, NOT_ALLOWED, TOO_MANY_FRAMES = 4401, 4403, 4429

_PING: Final = frame_head(PING, 0)


class Connection:
    """A socket of `identity`. `subject` is the player whom its pushes are about; 0 where they are about everybody.

    What is sent in one turn of the event loop goes out in one write, all replies of it in one frame. Pushes that the
    client is too slow for are dropped; `on_gap` is then called once the client has caught up, since it must be told the
    newest state. `on_frame` hears of frames with data, `on_control` of fragments, pings and pongs, `on_end` of the end.
    """

    __slots__ = (
        "_call_soon", "_closing_timer", "_flush_due", "_frames", "_held", "_missed", "_pushes", "_replies", "_tallies",
        "_transport", "_unsent", "_wire", "close_code", "codec", "ended", "greet_again", "greeted_up_to", "greeting",
        "heard_s", "identity", "kind", "on_control", "on_drained", "on_end", "on_frame", "on_gap", "pinged",
        "slow_since_s", "subject",
    )  # fmt: skip

    def __init__(
        self,
        handler: web.RequestHandler,
        codec: Codec,
        identity: Identity,
        kind: Kind,
        subject: int,
        tallies: SocketTallies,
    ) -> None:
        self.codec = codec
        self.identity = identity
        self.kind = kind
        self.subject = subject
        loop = asyncio.get_running_loop()
        self._call_soon = loop.call_soon
        self.ended: asyncio.Future[None] = loop.create_future()
        self.close_code = 0
        self.heard_s = monotonic()
        self.pinged = False
        self.slow_since_s = 0.0
        self.greeting = False
        self.greet_again = False
        self.greeted_up_to = (0, 0)
        self._held: list[tuple[Place | None, bytes]] = []
        self.on_frame: Callable[[bytes], None] = _ignore
        self.on_control: Callable[[], object] = _nothing
        self.on_drained: Callable[[], None] = _nothing
        self.on_gap: Callable[[], None] = _nothing
        self.on_end: Callable[[], None] = _nothing
        self._wire = Wire(handler, self)
        self._transport = self._wire.transport
        self._tallies = tallies
        self._frames = tallies.frames
        self._replies: list[bytes] = []
        self._pushes: list[bytes] = []
        self._unsent = 0
        self._flush_due = False
        self._missed = False
        self._closing_timer: asyncio.TimerHandle | None = None

    def begin(self, early: bytes) -> None:
        """Read from now on; first what has come already."""
        self._wire.begin(early)

    # Out.

    @property
    def is_slow(self) -> bool:
        """Whether the client does not read what was sent: then pushes are dropped and no command is begun."""
        return self._wire.writing_paused

    @property
    def is_ending(self) -> bool:
        """Whether no more is sent."""
        return bool(self.close_code) or self.ended.done()

    def reply(self, encoded: bytes) -> None:
        """Send a reply to a command. Those are never dropped: who begins commands must look at `is_slow` before."""
        self._replies.append(encoded)
        self._sent(len(encoded))

    def push(self, encoded: bytes) -> bool:
        """Send a push; False where it was dropped."""
        if self._wire.writing_paused:
            self._drop()
            return False
        self._pushes.append(frame_head(self.codec.opcode, len(encoded)))
        self._pushes.append(encoded)
        self._sent(len(encoded))
        return True

    def push_event(self, encoded: bytes, place: Place | None) -> bool:
        """Send the push of an event, unless the greeting has it; during the greeting, hold it back.

        Without a `place` it is sent whatever the greeting has. False where it was not sent.
        """
        if self.greeting:
            if len(self._held) >= HELD_MAX:
                self._held.clear()
                self.greet_again = True
            self._held.append((place, encoded))
            return False
        return (place is None or place > self.greeted_up_to) and self.push(encoded)

    def greet(self, encoded: bytes) -> None:
        """Send the newest state, and what was held back for it; where `greet_again` says so, ask for a newer one."""
        held, self._held, self.greeting = self._held, [], False
        self.push(encoded)
        for place, event in held:
            self.push_event(event, place)
        if self.greet_again:
            self.greet_again = False
            self.on_gap()

    def _drop(self) -> None:
        self._missed = True
        PUSHES_DROPPED.inc()

    def _sent(self, size: int) -> None:
        self._unsent += size
        if self._unsent > UNSENT_BYTES_MAX:  # a turn of the event loop may be a long one
            self._flush_due = True
            self._flush()
        elif not self._flush_due:
            self._flush_due = True
            self._call_soon(self._flush)

    def _flush(self) -> None:
        if not self._flush_due:
            return
        self._flush_due = False
        self._unsent = 0
        replies, pushes = self._replies, self._pushes
        if self.is_ending:
            replies.clear()
            pushes.clear()
            return
        sent = len(pushes) // 2
        if replies:
            payload = replies[0] if len(replies) == 1 else self.codec.join(replies)
            pushes += (frame_head(self.codec.opcode, len(payload)), payload)
            sent += 1
            self._replies = []
        self._pushes = []
        self._frames.count("out", sent)
        self._write(b"".join(pushes))

    def _write(self, data: bytes) -> None:
        """Send bytes, unless the connection breaks: between that and `lost`, uvloop's transport raises."""
        if not self._transport.is_closing():
            self._transport.write(data)

    def ping(self) -> None:
        """Ask the client for a sign of life."""
        self.pinged = True
        self._write(_PING)

    def drained(self) -> None:
        """The client has read what was sent."""
        if self.ended.done():
            return
        self.slow_since_s = 0.0
        if self._missed:
            self._missed = False
            self.on_gap()
        self.on_drained()

    def pause_reading(self) -> None:
        """Leave what the client sends in the network."""
        if not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if not self._transport.is_closing():
            self._transport.resume_reading()

    # The end.

    def close(self, code: int, reason: str = "") -> None:
        """Send what is to be sent, then a close frame; the connection ends when the client answers that."""
        if self.is_ending:
            return
        self._flush()
        self.close_code = code
        payload = code.to_bytes(2, "big") + reason.encode()[:123]
        self._write(frame_head(CLOSE, len(payload)) + payload)
        self._closing_timer = asyncio.get_running_loop().call_later(CLOSING_TIMEOUT_S, self.abort)

    def abort(self) -> None:
        """End the connection at once."""
        self._transport.abort()
        self._end()

    def _end(self) -> None:
        if self._closing_timer is not None:
            self._closing_timer.cancel()
        if not self.ended.done():
            self._tallies.closed(self.close_code)
            self.ended.set_result(None)
            self.on_end()

    # What the wire calls.

    def received(self, payload: bytes, *, is_text: bool) -> None:
        self._heard()
        if self.close_code:
            return
        self._frames.count("in")
        if is_text is not (self.codec.opcode == TEXT):
            self.close(UNSUPPORTED, f"{self.codec.name} has {'binary' if is_text else 'text'} frames only")
            return
        self.on_frame(payload)

    def fragment_received(self) -> None:
        self._heard()
        self.on_control()

    def pinged_by_client(self, payload: bytes) -> None:
        self._heard()
        self.on_control()
        # Pongs that are not read would pile up; who does not read needs none.
        if not self.close_code and not self._wire.writing_paused:
            self._write(frame_head(PONG, len(payload)) + payload)

    def ponged(self) -> None:
        self._heard()
        self.on_control()

    def close_received(self, code: int) -> None:
        self.close(code or NORMAL)
        self._end()

    def broke_protocol(self, code: int) -> None:
        self.close(code)
        # No answer can be read any more. What was sent still arrives, which an end at once might prevent.
        if not self._transport.is_closing() and self._transport.can_write_eof():
            self._transport.write_eof()

    def lost(self) -> None:
        self._end()

    def _heard(self) -> None:
        self.heard_s = monotonic()
        self.pinged = False


def _ignore(_frame: bytes) -> None:
    """Frames with data mean nothing here."""


def _nothing() -> None:
    """Nobody has to hear of it."""
