"""Idempotency keys that no other run uses."""

import itertools
import secrets


class Keys:
    """Gives a key for each command."""

    def __init__(self) -> None:
        self._prefix = f"load-{secrets.token_hex(8)}-"
        self._next = itertools.count().__next__

    def next(self) -> bytes:
        """Another key, of at most 45 visible ASCII characters."""
        return f"{self._prefix}{self._next()}".encode()
