"""What a partition's sync is doing, for gauges and for the log."""

import time
from dataclasses import dataclass
from typing import Literal

import structlog

from croupier_schemas.events import EventId

log = structlog.get_logger(__name__)

State = Literal["starting", "waiting", "following", "unreachable", "stopped", "ended"]
"""waiting: another daemon has the partition. unreachable: Redis or Postgres is away. stopped: by an alarm."""

REPEAT_S = 60.0


@dataclass
class Status:
    """`applied` counts the events that this process has applied, `last_event` is where the cursor stands.

    `reason` is the alarm's while the state is `stopped`.
    """

    partition: int
    state: State = "starting"
    reason: str = ""
    detail: str = ""
    last_event: EventId | None = None
    applied: int = 0
    _said_s: float = 0.0

    def change(self, state: State, detail: str = "", *, reason: str = "") -> None:
        """Set the state; log it when it is a new one, and every minute what an operator must attend to."""
        changed = (state, reason) != (self.state, self.reason)
        self.state, self.reason, self.detail = state, reason, detail
        now_s = time.monotonic()
        if not changed and (state not in ("stopped", "unreachable") or now_s - self._said_s < REPEAT_S):
            return
        self._said_s = now_s
        if state == "stopped":
            log.error("partition stopped", partition=self.partition, reason=reason, detail=detail)
        elif state == "unreachable":
            log.warning("partition waits for a server", partition=self.partition, detail=detail)
        else:
            log.info("partition " + state, partition=self.partition)
