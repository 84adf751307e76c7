"""How much at a time, and how often."""

from dataclasses import dataclass

RETRY_PAUSE_MIN_S, RETRY_PAUSE_MAX_S = 0.1, 5.0


@dataclass(frozen=True)
class Limits:
    """`batch_max`: events that one transaction takes. `outbox_kept`: entries that trimming leaves up to the cursor.

    `heartbeat_s`: seconds between two signs of life of the daemon that owns a partition. `silence_max_s`: how long
    another one waits for such a sign before it takes the partition over. `kept_s`: how long Redis keeps the key of what
    is done once only, after Postgres has its event. `export_pause_max_s`: how long the pauses become, at most, between
    two attempts to reach a sink that is away.
    """

    batch_max: int = 10_000
    outbox_kept: int = 10_000
    heartbeat_s: float = 1.0
    silence_max_s: float = 15.0
    kept_s: float = 600.0
    export_pause_max_s: float = RETRY_PAUSE_MAX_S

    @property
    def trim_every(self) -> int:
        """Events between two trimmings."""
        return max(1, self.outbox_kept // 10)


DEFAULT_LIMITS = Limits()

LOCK_POLL_S = 0.1
ALARM_POLL_S = 1.0
# Before a partition that has just been closed is healed, should that be needed again and again.
HEAL_PAUSE_S = 0.1
# While events keep coming: a batch that waits a little is larger, and cheaper per event.
GATHER_PAUSE_S = 0.001
# While none come: how long at most until the next look at the outbox, which may have another name by then.
READ_PAUSE_MAX_S = 0.05
