"""Whether a client masks its frames, as RFC 6455, section 5.1 demands; aiohttp's reader takes unmasked ones too."""

from typing import Final

_MASK_BYTES: Final = 4
_TWO_BYTES: Final = 126
"""Says that the length is in two bytes of its own; the number above it, in eight."""


class Heads:
    """Follows the heads of a client's frames through what comes, in whatever pieces that is."""

    __slots__ = ("_begun", "_skip")

    def __init__(self) -> None:
        self._begun = b""  # of a head, whose rest has not come
        self._skip = 0  # bytes until the next head

    def are_masked(self, data: bytes) -> bool:
        """Whether all heads in the next piece say that their frames are masked."""
        if self._begun:
            data, self._begun = self._begun + data, b""
        place, size = self._skip, len(data)
        while place + 2 <= size:
            length = data[place + 1] - 0x80
            if length < 0:
                return False
            head = 2
            if length >= _TWO_BYTES:
                head = 4 if length == _TWO_BYTES else 10
                if place + head > size:
                    break
                length = int.from_bytes(data[place + 2 : place + head], "big")
            place += head + _MASK_BYTES + length
        self._skip = max(0, place - size)
        self._begun = data[place:]
        return True
