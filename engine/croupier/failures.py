"""What a caller is told when Redis fails, and when a script refuses."""

from typing import Any

import structlog

from croupier.clock import utc
from croupier.command import Command, Context
from croupier.errors import CroupierError
from croupier.transport import (
    REFUSED_CODES,
    OutcomeUnknown,
    Overloaded,
    ReplyError,
    TransportError,
    Unavailable,
)

log = structlog.get_logger(__name__)

NOTHING_DONE_CODES = REFUSED_CODES | {"OOM", "NOREPLICAS", "MISCONF", "NOPERM", "NOAUTH", "NOSCRIPT"}
"""With these Redis refuses a script before it starts: memory full, too few replicas, a disk that cannot be written; it
has lost the script again, or got it too late to run it in time."""


def unavailable(error: TransportError) -> CroupierError:
    """Redis cannot be asked. Where it is, and why it is away, is for the log and not for strangers."""
    # The transport says once that it refuses calls; every caller saying so again would be a flood.
    say = log.debug if isinstance(error, Unavailable) else log.warning
    say("Redis is not available", error=str(error))
    return CroupierError("NOT_READY", retry_after_s=1)


def failure(error: TransportError, command: str) -> CroupierError:
    """What a caller is told of a failed command."""
    if isinstance(error, OutcomeUnknown):
        log.warning("outcome unknown", command=command, error=str(error))
        return CroupierError("OUTCOME_UNKNOWN", retry_after_s=1)
    if isinstance(error, Overloaded):
        return CroupierError("OVERLOADED", retry_after_s=1)
    if isinstance(error, Unavailable):
        return unavailable(error)
    if isinstance(error, ReplyError) and error.code in NOTHING_DONE_CODES:
        log.error("Redis refuses commands", command=command, error=str(error))
        return CroupierError("OVERLOADED" if error.code == "OOM" else "NOT_READY", retry_after_s=1)
    log.error("command failed", command=command, error=str(error))
    return CroupierError("INTERNAL")


def refusal(
    command: Command[Any, Any, Any], context: Context, terms: Any, code: str, values: list[int]
) -> CroupierError:
    """What a caller is told when the command's script answers `code`."""
    if code == "EXPIRED":
        return CroupierError(code, retry_after_s=1)
    if code == "PLAYER_EXCLUDED":
        return CroupierError(code, excluded_until=utc(values[0]))
    if code == "RATE_LIMITED":
        rate = command.rate(context)
        return CroupierError(
            code, retry_after_s=values[0] / 1000, scope=command.scope, window="second" if values[1] == 1 else "minute",
            limit_per_second=rate.per_second, limit_per_minute=rate.per_minute,
        )  # fmt: skip
    if code == "SEED_MISMATCH":
        log.error("commitment does not fit the master key", uid=context.uid, command=command.name)
        return CroupierError("INTERNAL")
    fields: dict[str, object] = {}
    if terms is not None and code in command.refusals:
        fields = command.refusals[code](context, terms, values)
    return CroupierError(code, **fields)  # type: ignore[arg-type]
