"""How many events one transaction takes: fewer after one that Postgres did not finish in time."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import asyncpg

from croupier_sync import postgres

_QUICK: Final = 0.25
"""The share of the time for a statement in which a full batch must be written before the next one may be twice that."""


class BatchSize:
    """`now` is the size to read next, at most `size_max`. It outlives connections: a batch that times out ends one."""

    def __init__(self, size_max: int) -> None:
        self._max = size_max
        self.now = size_max

    @contextmanager
    def learning_from(self, count: int) -> Iterator[None]:
        """Write a batch of `count` events in this block. One that times out is halved, and never tried again whole."""
        started_s = time.monotonic()
        try:
            yield
        except (TimeoutError, asyncpg.QueryCanceledError):
            self.now = max(1, min(self.now, count) // 2)
            raise
        if count >= self.now and time.monotonic() - started_s < postgres.STATEMENT_TIMEOUT_S * _QUICK:
            self.now = min(self._max, 2 * self.now)
