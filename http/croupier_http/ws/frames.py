"""Frames as RFC 6455, section 5, has them: what a client sends, and the heads of what a server sends."""

import struct
from typing import Final, Protocol

FRAME_BYTES_MAX: Final = 16 * 1024
"""Size of a message, in however many fragments."""

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA

PROTOCOL_ERROR, NOT_TEXT, TOO_BIG = 1002, 1007, 1009

_CONTINUATION: Final = 0x0
_FINAL: Final = 0x80
_RESERVED: Final = 0x70
_MASKED: Final = 0x80
_CONTROL: Final = 0x8
_CONTROL_BYTES_MAX: Final = 125
_TWO_BYTES: Final = 126
"""Says that the length is in two bytes of its own; the number above it, in eight."""
_CLOSE_CODES: Final = frozenset({*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)})
"""What a close frame may hold: RFC 6455, section 7.4, and IANA's registry."""

_medium_head = struct.Struct(">BBH").pack
_large_head = struct.Struct(">BBQ").pack


def frame_head(opcode: int, length: int) -> bytes:
    """The head of a frame of a server, which is whole and not masked."""
    if length < _TWO_BYTES:
        return bytes((_FINAL | opcode, length))
    if length < 65_536:
        return _medium_head(_FINAL | opcode, 126, length)
    return _large_head(_FINAL | opcode, 127, length)


class Receiver(Protocol):
    """What hears of frames."""

    def received(self, payload: bytes, *, is_text: bool) -> None:
        """A message with data. Whether a text is UTF-8 is for who reads it to see."""

    def fragment_received(self) -> None:
        """A piece of a message, and not the last one."""

    def pinged_by_client(self, payload: bytes) -> None:
        """A ping, which wants this payload back."""

    def ponged(self) -> None:
        """A pong."""

    def close_received(self, code: int) -> None:
        """The client closes, or answers our close frame. `code` 0: none was given."""

    def broke_protocol(self, code: int) -> None:
        """What came is not WebSocket, or a message that is too big; `code` is the close code that says so."""


class Frames:
    """Reads a client's frames out of what comes, in whatever pieces that is.

    It holds at most two messages: one whose fragments have come, and a frame whose end has not. After what is not
    WebSocket it reads no more. There are no extensions, so compressed frames are not WebSocket here.
    """

    __slots__ = ("_begun", "_is_broken", "_message", "_message_opcode", "_receiver")

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._begun = b""  # of a frame, whose rest has not come
        self._message: bytearray | None = None  # the fragments of a message, whose last one has not come
        self._message_opcode = 0
        self._is_broken = False

    def feed(self, data: bytes) -> None:
        """Hand on all frames that are complete with this."""
        if self._begun:
            data, self._begun = self._begun + data, b""
        place, size = 0, len(data)
        while not self._is_broken and size - place >= 2:
            first, length, start = data[place], data[place + 1] - _MASKED, place + 6
            if length < 0:
                return self._break(PROTOCOL_ERROR)  # not masked
            if length >= _TWO_BYTES:
                start = place + (8 if length == _TWO_BYTES else 14)
                if start - 4 > size:
                    break
                length = int.from_bytes(data[place + 2 : start - 4], "big")
            if length > FRAME_BYTES_MAX:
                return self._break(TOO_BIG)
            end = start + length
            if end > size:
                break
            # As numbers, since that is one operation on all bytes, in C.
            mask = (data[start - 4 : start] * ((length + 3) >> 2))[:length]
            payload = (int.from_bytes(data[start:end], "little") ^ int.from_bytes(mask, "little")).to_bytes(
                length, "little"
            )
            place = end
            if first == _FINAL | BINARY and self._message is None:
                self._receiver.received(payload, is_text=False)
            else:
                self._frame(first, payload)
        if place < size and not self._is_broken:
            self._begun = data[place:]
        return None

    def _break(self, code: int) -> None:
        self._is_broken = True
        self._begun, self._message = b"", None
        self._receiver.broke_protocol(code)

    def _frame(self, first: int, payload: bytes) -> None:
        opcode, is_final = first & 0x0F, bool(first & _FINAL)
        if first & _RESERVED:
            self._break(PROTOCOL_ERROR)
        elif opcode & _CONTROL:
            self._control(opcode, payload, is_final=is_final)
        elif opcode not in (_CONTINUATION, TEXT, BINARY) or (opcode == _CONTINUATION) is (
            self._message is None
        ):
            self._break(PROTOCOL_ERROR)
        elif is_final and self._message is None:
            self._receiver.received(payload, is_text=opcode == TEXT)
        else:
            self._fragment(opcode, payload, is_final=is_final)

    def _fragment(self, opcode: int, payload: bytes, *, is_final: bool) -> None:
        if self._message is None:
            self._message, self._message_opcode = bytearray(), opcode
        if len(self._message) + len(payload) > FRAME_BYTES_MAX:
            self._break(TOO_BIG)
            return
        self._message += payload
        if is_final:
            message, self._message = bytes(self._message), None
            self._receiver.received(message, is_text=self._message_opcode == TEXT)
        else:
            self._receiver.fragment_received()

    def _control(self, opcode: int, payload: bytes, *, is_final: bool) -> None:
        if not is_final or len(payload) > _CONTROL_BYTES_MAX:
            self._break(PROTOCOL_ERROR)
        elif opcode == PING:
            self._receiver.pinged_by_client(payload)
        elif opcode == PONG:
            self._receiver.ponged()
        elif opcode == CLOSE:
            self._close(payload)
        else:
            self._break(PROTOCOL_ERROR)

    def _close(self, payload: bytes) -> None:
        if not payload:
            self._receiver.close_received(0)
            return
        code = int.from_bytes(payload[:2], "big")
        if len(payload) < 2 or code not in _CLOSE_CODES:
            self._break(PROTOCOL_ERROR)
            return
        try:
            payload[2:].decode()
        except UnicodeDecodeError:
            self._break(NOT_TEXT)
        else:
            self._receiver.close_received(code)
