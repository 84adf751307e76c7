"""The subprotocols: how frames are read and written."""

from typing import Annotated, Any, Final, Protocol

import msgspec
from msgspec import Meta

from croupier_http.commands import CommandRunner

COMMAND_ID_MAX: Final = 2**53 - 1
_COMMAND_CHARACTERS_MAX: Final = 64

CommandId = Annotated[int, Meta(ge=0, le=COMMAND_ID_MAX)] | Annotated[str, Meta(max_length=64)]


class MalformedFrame(Exception):
    """A frame that holds neither a command nor a list of commands. Nothing of it was run."""


class Call(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True, gc=False):
    """A command as a frame has it: `[id, command, arguments, idempotency_key?]`."""

    id: CommandId
    command: Annotated[str, Meta(max_length=_COMMAND_CHARACTERS_MAX)]
    arguments: msgspec.Raw
    key: str | None = None


_Calls = Annotated[list[Call], Meta(min_length=1)]


class Codec(Protocol):
    """One subprotocol. `opcode` is that of its frames."""

    name: str
    opcode: int

    def calls(self, frame: bytes) -> list[Call]:
        """The commands in a frame, at least one. Raises MalformedFrame."""

    def request(self, runner: CommandRunner, arguments: bytes) -> Any:
        """The request of a command. Raises CroupierError MALFORMED_REQUEST and VALIDATION_ERROR."""

    def encode(self, value: object) -> bytes:
        """A reply or a push."""

    def join(self, replies: list[bytes]) -> bytes:
        """One frame with several encoded replies."""


class Json:
    """Text frames."""

    name = "croupier.json"
    opcode = 0x1

    def __init__(self) -> None:
        self._one = msgspec.json.Decoder(Call).decode
        self._several = msgspec.json.Decoder(_Calls).decode
        self.encode = msgspec.json.Encoder().encode

    def calls(self, frame: bytes) -> list[Call]:
        try:
            if frame.lstrip()[1:].lstrip()[:1] == b"[":
                calls: list[Call] = self._several(frame)
                return calls
            return [self._one(frame)]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise MalformedFrame from error

    def request(self, runner: CommandRunner, arguments: bytes) -> Any:
        return runner.decoder.body(bytes(arguments))

    def join(self, replies: list[bytes]) -> bytes:
        return b"[" + b",".join(replies) + b"]"


class Msgpack:
    """Binary frames. They hold what JSON would: times are texts, as there."""

    name = "croupier.msgpack"
    opcode = 0x2

    def __init__(self) -> None:
        self._one = msgspec.msgpack.Decoder(Call).decode
        self._several = msgspec.msgpack.Decoder(_Calls).decode
        self.encode = msgspec.msgpack.Encoder().encode

    def calls(self, frame: bytes) -> list[Call]:
        try:
            if _is_array(frame, _after_head(frame)):
                calls: list[Call] = self._several(frame)
                return calls
            return [self._one(frame)]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise MalformedFrame from error

    def request(self, runner: CommandRunner, arguments: bytes) -> Any:
        return runner.decoder.msgpack(bytes(arguments))

    def join(self, replies: list[bytes]) -> bytes:
        count = len(replies)
        head = bytes([0x90 | count]) if count < 16 else b"\xdc" + count.to_bytes(2, "big")
        return head + b"".join(replies)


def _after_head(packed: bytes) -> int:
    """Where the first member of a packed array stands."""
    return {0xDC: 3, 0xDD: 5}.get(packed[0], 1) if packed else 0


def _is_array(packed: bytes, place: int) -> bool:
    """Whether an array begins there."""
    first = packed[place] if place < len(packed) else 0
    return first & 0xF0 == 0x90 or first in (0xDC, 0xDD)


JSON: Final = Json()
MSGPACK: Final = Msgpack()
CODECS: Final[tuple[Codec, ...]] = (JSON, MSGPACK)
"""The first is also that of clients that name no subprotocol."""
