"""The requests of a load over HTTP: as much of them as can be is made in advance."""

import itertools
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from croupier_cli.load.keys import Keys
from croupier_cli.load.scenarios import Mix, Step
from croupier_cli.load.target import Target

_KEY_LINE: Final = b"\r\nIdempotency-Key: "


class HttpRequests:
    """Deals steps and players, and puts requests together. `tokens` take turns."""

    def __init__(self, mix: Mix, target: Target, tokens: Sequence[str], keys: Keys | None) -> None:
        self.next_step = mix.deal().__next__
        self.next_token = itertools.cycle([token.encode() for token in tokens]).__next__
        self._keys = keys
        self._target = target
        self._parts = [self._parts_of(step, step.arguments) for step in mix.steps]

    def of(self, step: Step, token: bytes) -> bytes:
        """The bytes of a request."""
        before, after = self._parts[step.number]
        if self._keys is None or step.arguments is None:
            return before + token + after
        return before + token + _KEY_LINE + self._keys.next() + after

    def of_game(self, step: Step, token: bytes, game_id: str) -> bytes:
        """The bytes of a request for the game that an answer has named."""
        before, after = self._parts_of(step, {"game_id": game_id})
        key = b"" if self._keys is None else _KEY_LINE + self._keys.next()
        return before + token + key + after

    def _parts_of(self, step: Step, arguments: dict[str, Any] | None) -> tuple[bytes, bytes]:
        """What is before the token, and what after it and the key."""
        method = "GET" if arguments is None else "POST"
        body = b"" if arguments is None else msgspec.json.encode(arguments)
        head = f"{method} {self._target.prefix}{step.path} HTTP/1.1\r\nHost: {self._target.authority}\r\n"
        if arguments is not None:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        return f"{head}Authorization: Bearer ".encode(), b"\r\n\r\n" + body
