"""When a call is repeated, and when it is given up."""

import random
from time import monotonic
from typing import Any, Final

from croupier_client.errors import MAY_HAVE_RUN, CroupierRefused, CroupierUnavailable
from croupier_client.operation import Operation

TOO_MANY_REQUESTS: Final = 429
UNAVAILABLE: Final = 503

DEADLINE_MAX_S: Final = 300.0
"""After this a command that may have run is not sent again: half of the time for which the server holds keys (600 s,
its IDEMPOTENCY_TTL_SECONDS); a key that it holds no more would let the command run once more."""

_FIRST_S: Final = 0.05
_LONGEST_S: Final = 1.0


def jitter_s(attempts: int, first_s: float = _FIRST_S, longest_s: float = _LONGEST_S) -> float:
    """A wait by chance, in a range that doubles with each attempt, so that clients do not come back all at once."""
    return random.uniform(0, min(longest_s, first_s * 2 ** min(attempts, 16)))  # noqa: S311 - it spreads load


def require_deadline(deadline_s: float) -> float:
    """The same. Raises ValueError for more than `DEADLINE_MAX_S`, and for what is no number."""
    if not deadline_s <= DEADLINE_MAX_S:
        raise ValueError(
            f"deadline_s: at most {DEADLINE_MAX_S:g} seconds, as the server forgets idempotency keys"
        )
    return deadline_s


class Patience:
    """How long one call is worth waiting for: `within_s` seconds from now. Raises ValueError as `require_deadline`.

    Each method is told what became of an attempt, and says in how many seconds to make the next one, or raises what the
    call is to end with.
    """

    def __init__(self, operation: Operation[..., Any], key: str, within_s: float) -> None:
        self._operation = operation
        self.key = key
        self._until_s = monotonic() + require_deadline(within_s)
        self._attempts = 0
        self._last_refusal: CroupierRefused | None = None
        self._may_have_run = False

    def left_s(self) -> float:
        """What is left of the time."""
        return self._until_s - monotonic()

    def after_refusal(self, refusal: CroupierRefused) -> float:
        """The server has answered with an error. Raises it, or CroupierUnavailable."""
        self._attempts += 1
        if refusal.status not in (TOO_MANY_REQUESTS, UNAVAILABLE) and refusal.status < 500:
            raise refusal
        self._last_refusal = refusal
        unsure = refusal.code in MAY_HAVE_RUN or refusal.code.startswith("HTTP_5")
        self._may_have_run |= unsure and self._operation.kind != "query"
        again = refusal.status in (TOO_MANY_REQUESTS, UNAVAILABLE)
        if not again or (unsure and not self._operation.repeatable):
            raise self._given_up(f"{self._operation.name}: the server failed ({refusal.code})")
        wait_s = jitter_s(self._attempts)
        if refusal.code not in MAY_HAVE_RUN and refusal.retry_after_s is not None:
            wait_s = refusal.retry_after_s + random.uniform(0, max(0.1, refusal.retry_after_s / 4))  # noqa: S311
        if wait_s < self.left_s():
            return wait_s
        if refusal.status == TOO_MANY_REQUESTS:
            raise refusal
        raise self._given_up(f"{self._operation.name}: {refusal.code}: {refusal.message.rstrip('.')}")

    def after_loss(self, reason: str, *, sent: bool) -> float:
        """No answer came. `sent`: the request may have reached the server. Raises CroupierUnavailable."""
        self._attempts += 1
        self._may_have_run |= sent and self._operation.kind != "query"
        wait_s = jitter_s(self._attempts)
        if wait_s >= self.left_s() or (sent and not self._operation.repeatable):
            raise self._given_up(f"{self._operation.name}: no answer ({reason})")
        return wait_s

    def over(self, reason: str, *, sent: bool) -> CroupierUnavailable:
        """The time is over, or nothing will answer any more: what to raise."""
        self._attempts += 1
        self._may_have_run |= sent
        return self._given_up(f"{self._operation.name}: {reason}")

    def _given_up(self, message: str) -> CroupierUnavailable:
        refusal = self._last_refusal
        return CroupierUnavailable(
            message,
            self._may_have_run,
            self.key,
            self._attempts,
            refusal.code if refusal else "",
            refusal.request_id if refusal else "",
            refusal.op_id if refusal else "",
        )
