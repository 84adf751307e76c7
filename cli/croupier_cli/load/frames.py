"""WebSocket frames (RFC 6455, section 5.2) as a client writes and reads them."""

from typing import Final

from croupier_cli.load.line import Unreadable

TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA

_FINAL: Final = 0x80
_MASK_BIT: Final = 0x80
_MASK: Final = bytes(4)
_FRAME_BYTES_MAX: Final = 16 * 1024 * 1024


def masked(payload: bytes, opcode: int) -> bytes:
    """A frame of a client. The mask is zero, which the server has to apply like any other."""
    size = len(payload)
    if size < 126:
        return bytes((_FINAL | opcode, _MASK_BIT | size)) + _MASK + payload
    if size < 65_536:
        return bytes((_FINAL | opcode, _MASK_BIT | 126)) + size.to_bytes(2, "big") + _MASK + payload
    return bytes((_FINAL | opcode, _MASK_BIT | 127)) + size.to_bytes(8, "big") + _MASK + payload


class FrameReader:
    """Puts frames together from what comes in pieces."""

    def __init__(self) -> None:
        self._received = b""

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """Opcode and payload of the frames that are complete now. Raises Unreadable."""
        received = self._received + data if self._received else data
        frames: list[tuple[int, bytes]] = []
        place, size = 0, len(received)
        while size - place >= 2:
            first, length, start = received[place], received[place + 1], place + 2
            if length == 126:
                start += 2
            elif length == 127:
                start += 8
            if size < start:
                break
            if start > place + 2:
                length = int.from_bytes(received[place + 2 : start], "big")
            if not first & _FINAL or length > _FRAME_BYTES_MAX or received[place + 1] & _MASK_BIT:
                raise Unreadable("a frame of the server is masked, too large, or a part of a message")
            end = start + length
            if size < end:
                break
            frames.append((first & 0x0F, received[start:end]))
            place = end
        self._received = received[place:]
        return frames
