"""The circuit breaker of a transport: whether calls are let through to Redis, or refused at once."""

import enum
from typing import Final

import structlog

log = structlog.get_logger(__name__)

MISSED_MAX: Final = 5
"""So many deadlines missed in a row open the breaker: one slow reply does not, and a server that stands still does."""


class BreakerState(enum.IntEnum):
    """The values are those of the metric `redis_circuit_breaker_state`."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


class Breaker:
    """Closed while calls are let through, half-open during a probe, open in between.

    `why` says why it was opened last, in words for the operator: they may hold the server's address. `openings` counts
    how often it was closed and is not any more; a probe that fails does not count. Each of these changes is logged, and
    nothing else is.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._was_closed = False
        self.state = BreakerState.OPEN
        self.why = "the transport is not open"
        self.openings = 0

    def open(self, why: str) -> None:
        """Let nothing through. Opened again with another reason, it takes that one."""
        self.why = why
        if self._was_closed:
            self._was_closed = False
            self.openings += 1
            log.warning("redis circuit breaker opened", address=self._address, reason=why)
        self.state = BreakerState.OPEN

    def shut(self, why: str) -> None:
        """Let nothing through from now on, because the transport is closed. That is no fault, so it does not count."""
        self.why = why
        self.state = BreakerState.OPEN
        self._was_closed = False

    def probing(self) -> None:
        """A probe is under way; nothing else is let through."""
        self.state = BreakerState.HALF_OPEN

    def probe_failed(self) -> None:
        """Wait for the next probe, for the reason it was opened for."""
        self.state = BreakerState.OPEN

    def close(self) -> None:
        """The server has answered a probe: let calls through."""
        if not self._was_closed and self.openings:
            log.info("redis circuit breaker closed", address=self._address)
        self._was_closed = True
        self.state = BreakerState.CLOSED
