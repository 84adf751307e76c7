"""The subprotocols of the WebSocket: how frames are written and read."""

from typing import Any, Final, NamedTuple, Protocol

import msgspec


class Facts(msgspec.Struct):
    """What stands beside a reply, where it says something. `retry_after` is in seconds."""

    retry_after: float | None = None
    op_id: str = ""
    replayed: bool = False
    rate_limit_sim: str = ""


class SocketReply(msgspec.Struct, array_like=True, gc=False):
    """A command's reply, its body not yet read."""

    id: int
    status: int
    body: msgspec.Raw
    facts: Facts | None = None


class Frame(NamedTuple):
    """What a frame held: replies, or a push, which is empty then."""

    replies: list[SocketReply]
    push: bytes


class Codec(Protocol):
    """One subprotocol."""

    name: str
    is_text: bool

    def encode(self, value: object) -> bytes:
        """A command."""

    def join(self, commands: list[bytes]) -> bytes:
        """One frame of several encoded commands."""

    def read(self, frame: bytes) -> Frame:
        """Raises msgspec.DecodeError, UnicodeDecodeError."""

    def decode(self, packed: bytes) -> Any:
        """Anything. Raises msgspec.DecodeError."""

    def decoder(self, kind: Any) -> Any:
        """A decoder of that type."""


class Msgpack:
    """Binary frames."""

    name = "croupier.msgpack"
    is_text = False

    def __init__(self) -> None:
        self.encode = msgspec.msgpack.Encoder().encode
        self.decode = msgspec.msgpack.Decoder().decode
        self.decoder = msgspec.msgpack.Decoder
        self._one = msgspec.msgpack.Decoder(SocketReply).decode
        self._several = msgspec.msgpack.Decoder(list[SocketReply]).decode

    def join(self, commands: list[bytes]) -> bytes:
        count = len(commands)
        head = bytes([0x90 | count]) if count < 16 else b"\xdc" + count.to_bytes(2, "big")
        return head + b"".join(commands)

    def read(self, frame: bytes) -> Frame:
        first = frame[0] if frame else 0
        if first & 0xF0 == 0x80 or first in (0xDE, 0xDF):
            return Frame([], frame)
        inner = frame[{0xDC: 3, 0xDD: 5}.get(first, 1) :][:1]
        if inner and (inner[0] & 0xF0 == 0x90 or inner[0] in (0xDC, 0xDD)):
            return Frame(self._several(frame), b"")
        return Frame([self._one(frame)], b"")


class Json:
    """Text frames."""

    name = "croupier.json"
    is_text = True

    def __init__(self) -> None:
        self.encode = msgspec.json.Encoder().encode
        self.decode = msgspec.json.Decoder().decode
        self.decoder = msgspec.json.Decoder
        self._one = msgspec.json.Decoder(SocketReply).decode
        self._several = msgspec.json.Decoder(list[SocketReply]).decode

    def join(self, commands: list[bytes]) -> bytes:
        return b"[" + b",".join(commands) + b"]"

    def read(self, frame: bytes) -> Frame:
        head = frame[:64].lstrip()
        if head[:1] == b"{":
            return Frame([], frame)
        if head[1:].lstrip()[:1] == b"[":
            return Frame(self._several(frame), b"")
        return Frame([self._one(frame)], b"")


CODECS: Final[dict[str, Codec]] = {"msgpack": Msgpack(), "json": Json()}
