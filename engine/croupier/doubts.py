"""Attempts of this process that left their callers in doubt, and the epoch in whose log their event is, if in any."""

from typing import Final

DOUBTS_MAX: Final = 10_000
"""More are forgotten, the oldest first: what became of them is then known when their time is over."""


class Doubts:
    """Epochs by operation id.

    A script writes to the log of one epoch, that of its fence, or nowhere. So an attempt that is over, as its caller
    has been answered, is not applied for certain once Postgres' log has gone on to a greater epoch without its event.
    """

    def __init__(self) -> None:
        self._epochs: dict[tuple[int, bytes], int] = {}

    def add(self, partition: int, op_id: bytes, epoch: int) -> None:
        """Remember an attempt, which must not be tried in another epoch any more."""
        self._epochs[partition, op_id] = epoch
        if len(self._epochs) > DOUBTS_MAX:
            del self._epochs[next(iter(self._epochs))]

    def epoch(self, partition: int, op_id: bytes) -> int | None:
        """None where the attempt is not known."""
        return self._epochs.get((partition, op_id))
