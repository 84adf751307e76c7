"""Ids of requests: 16 bytes, unique over all processes, and far cheaper than reading 16 random bytes each time."""

import itertools
import os


class Ids:
    """Eight random bytes of this object, then a counter. Not to be used where an id must not be guessed."""

    def __init__(self) -> None:
        self._prefix = os.urandom(8)
        self._next = itertools.count().__next__

    def new(self) -> bytes:
        """The next id."""
        return self._prefix + self._next().to_bytes(8, "big")
