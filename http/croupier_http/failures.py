"""What the log says of requests and commands that failed."""

from typing import Final

import structlog

from croupier.errors import CroupierError
from croupier_http.logs import Limiter

log = structlog.get_logger(__name__)

# Each of these leaves somebody with an effect that they do not know of: no line about them is left out.
_ALWAYS_LOGGED: Final = frozenset({"INTERNAL", "OUTCOME_UNKNOWN", "DURABILITY_TIMEOUT", "NOT_APPLIED"})


class FailureLog:
    """Writes a line per failure, for most codes no more than so many per second."""

    def __init__(self) -> None:
        self._limiter = Limiter()

    def write(self, error: CroupierError, operation: str, op_id: bytes | None) -> None:
        """`op_id` is that of the attempt at a command."""
        extra = {} if error.code in _ALWAYS_LOGGED else self._limiter.allow(error.code)
        if extra is None:
            return
        facts = {"operation": operation, "code": error.code, "error": error.message, **extra}
        if op_id is not None:
            facts["op_id"] = op_id.hex()
        if error.code == "INTERNAL":
            log.error("request failed", **facts, exc_info=error.__cause__)
        elif error.kind.status >= 500:
            log.warning("request failed", **facts)
        else:
            log.info("request refused", **facts)
