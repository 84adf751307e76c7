"""Ids of attempts: each call of a command has its own, which goes into its event, its log lines and the header `Op-Id`.

An id is 16 bytes: when it was made (6 bytes, Unix time in ms by the Redis server's clock), which process made it (5
random bytes), and how many that had made before (5 bytes). The time says when its command can no longer run: it is
refused later than `OP_LIFETIME_MS` after it.
"""

import itertools
import os
from collections.abc import Callable
from typing import Final

OP_LIFETIME_MS: Final = 120_000
"""A command runs at latest so long after `made_ms` of its id, by the clock of the server that runs it."""

_TIME_BYTES: Final = 6
_PROCESS_BYTES: Final = 5
_COUNTER_BYTES: Final = 5


class OpIds:
    """Makes ids, unique over all processes and restarts. Not to be used where an id must not be guessed.

    `now_ms` is the Redis server's clock as far as this process knows it. Reading 16 random bytes for each id would
    cost several times as much.
    """

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._process = os.urandom(_PROCESS_BYTES)
        self._next = itertools.count().__next__

    def new(self) -> bytes:
        """The next id."""
        return (
            self._now_ms().to_bytes(_TIME_BYTES, "big")
            + self._process
            + self._next().to_bytes(_COUNTER_BYTES, "big")
        )


def made_ms(op_id: bytes) -> int:
    """When the id was made, Unix time in ms."""
    return int.from_bytes(op_id[:_TIME_BYTES], "big")
