"""The deterministic mode, for the tests of client teams: seeds that follow from a text, and a clock that tests set.

It is off unless `CROUPIER_DETERMINISTIC_SEED` is set, and `/health` says that it is on. Whoever knows the text knows
every draw, so it is nothing for players.
"""

import hashlib
from typing import Final

MASTER_KEY_ID: Final = 4_294_967_295
"""Id of the master key that is made from the text. No configured key has it, so no seed is taken for another's."""

CLOCK_MS_MAX: Final = 253_402_300_799_000
"""The end of the year 9999."""


def master_key(text: str) -> bytes:
    """The master key made from the text, 32 bytes."""
    return hashlib.sha256(b"croupier deterministic mode\n" + text.encode()).digest()


class InjectedClock:
    """A clock that stands still where a test has set it; 0 until then, which means the server's clock."""

    def __init__(self) -> None:
        self.now_ms = 0

    def __call__(self) -> int:
        return self.now_ms
