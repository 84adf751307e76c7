"""What a partition's sync is doing: for gauges, for the log, and in Postgres for whoever looks there."""

import time
from dataclasses import dataclass
from typing import Literal

import asyncpg
import structlog

from croupier_schemas.events import EventId

log = structlog.get_logger(__name__)

State = Literal[
    "starting", "waiting", "following", "healing", "unreachable", "refused", "failed", "stopped", "ended"
]
"""waiting: another daemon has the partition. healing: Redis is made from Postgres again. unreachable: Redis or Postgres
is away. refused: Redis answers a command with an error. failed: by a fault of the daemon. stopped: by an alarm."""

REPEAT_S = 60.0

_NEEDS_ATTENTION = ("unreachable", "refused", "failed", "stopped")

_DETAIL_LENGTH_MAX = 1_000
_RECORD = """
UPDATE partitions
SET state = $2, reason = $3, detail = $4, seen_at = now(),
    since = CASE WHEN (state, reason) = ($2, $3) THEN since ELSE now() END
WHERE partition = $1
"""


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
        if not changed and (state not in _NEEDS_ATTENTION or now_s - self._said_s < REPEAT_S):
            return
        self._said_s = now_s
        if state == "stopped":
            log.error("partition stopped", partition=self.partition, reason=reason, detail=detail)
        elif state == "healing":
            log.warning("partition is being healed", partition=self.partition, reason=reason, detail=detail)
        elif state == "unreachable":
            log.warning("partition waits for a server", partition=self.partition, detail=detail)
        elif state == "refused":
            log.error("redis refuses a command of the sync", partition=self.partition, detail=detail)
        elif state == "failed":
            log.error("partition cannot be followed", partition=self.partition, detail=detail)
        else:
            log.info("partition " + state, partition=self.partition)


async def record(connection: asyncpg.Connection, status: Status) -> None:
    """Write the state to the partition's row, as a sign of life too. Only for the daemon that owns the partition."""
    detail = status.detail[:_DETAIL_LENGTH_MAX].replace("\0", "\\0")
    await connection.execute(_RECORD, status.partition, status.state, status.reason, detail)
