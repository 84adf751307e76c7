"""What stops the sync daemon, or one partition of it."""

from typing import Final, Literal

Reason = Literal[
    "clock_behind",
    "epoch_sealed",
    "event_conflict",
    "fork",
    "gap",
    "installation",
    "not_an_event",
    "partition",
    "postgres_empty",
    "postgres_old",
    "redis_behind",
    "redis_empty",
]


HEALABLE: Final[frozenset[Reason]] = frozenset({"epoch_sealed", "fork", "redis_behind", "redis_empty"})
"""Redis lacks events that Postgres has, or has some that Postgres will never take: it can be made from Postgres again.
All other reasons need an operator."""


class SyncError(Exception):
    """Base of all errors here. The message is one line for the operator."""


class Alarm(SyncError):
    """A partition must not go on: what Redis and Postgres say does not fit together."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class InstallationMismatch(Alarm):
    """This Redis and this Postgres belong to different installations; neither has been touched."""

    def __init__(self, message: str) -> None:
        super().__init__("installation", message)


class Superseded(SyncError):
    """Another daemon has moved the partition on: what was read before is stale, and nothing was written."""


class NotDurable(SyncError):
    """Postgres is configured to lose what it has acknowledged."""


class MigrationError(SyncError):
    """The tables of this Postgres are not those that this version of Croupier needs."""
