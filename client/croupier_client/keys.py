"""Idempotency keys, one per command."""

import itertools
import secrets


class Keys:
    """Makes keys that no other client makes: 128 bits by chance, and a number."""

    __slots__ = ("_numbers", "_prefix")

    def __init__(self) -> None:
        self._prefix = secrets.token_urlsafe(16)
        self._numbers = itertools.count(1)

    def new(self) -> str:
        """The next key."""
        return f"{self._prefix}.{next(self._numbers):x}"
