"""A limit per player on what Postgres answers while Redis is away, where the players' rate limits are kept."""

from collections import OrderedDict
from collections.abc import Callable
from time import monotonic
from typing import Final

from croupier.errors import CroupierError
from croupier.transport import Breaker, BreakerState
from croupier_http.auth import Identity
from croupier_http.metrics import RATE_LIMIT_HITS

PLAYERS_MAX: Final = 50_000
"""Buckets that are kept at once; of more, the one that was not used for longest is taken for empty."""

_MINUTE_S: Final = 60.0
_ROUNDING_S: Final = 1e-6


class LeakyBuckets:
    """A bucket per player: each read adds a drop, and a full one of `per_minute` drops runs empty in a minute, evenly.

    Of a bucket only the time is kept at which it will be empty, in seconds of `now_s`.
    """

    def __init__(
        self, per_minute: int, now_s: Callable[[], float], *, players_max: int = PLAYERS_MAX
    ) -> None:
        self._drop_s = _MINUTE_S / per_minute
        self._now_s = now_s
        self._players_max = players_max
        self._empty_at_s: OrderedDict[int, float] = OrderedDict()  # who read last is at the end

    def __len__(self) -> int:
        """How many players' buckets are kept."""
        return len(self._empty_at_s)

    def take(self, uid: int) -> float:
        """Add a drop and return 0; or, where it does not fit, do not, and return in how many seconds it will."""
        now_s = self._now_s()
        empty_at_s = max(self._empty_at_s.get(uid, now_s), now_s) + self._drop_s
        wait_s = empty_at_s - now_s - _MINUTE_S
        if wait_s > _ROUNDING_S:
            return wait_s
        self._empty_at_s[uid] = empty_at_s
        self._empty_at_s.move_to_end(uid)
        # One at most: no read pays for many, and since no more than one was added, there are never too many.
        idlest, idlest_empty_at_s = next(iter(self._empty_at_s.items()))
        if len(self._empty_at_s) > self._players_max or idlest_empty_at_s <= now_s:
            del self._empty_at_s[idlest]
        return 0.0


class ReadsWithoutRedis:
    """Says which reads are too many of a player, as long as the circuit breaker keeps calls from Redis."""

    def __init__(self, breaker: Breaker, per_minute: int) -> None:
        """`per_minute` 0 is no limit."""
        self._breaker = breaker
        self._per_minute = per_minute
        self._buckets = LeakyBuckets(per_minute, monotonic) if per_minute else None

    def refusal(self, identity: Identity, operation: str) -> CroupierError | None:
        """Count the read; RATE_LIMITED, to be raised, where it is one too many."""
        if self._buckets is None or self._breaker.state is BreakerState.CLOSED:
            return None
        wait_s = self._buckets.take(identity.uid)
        if not wait_s:
            return None
        RATE_LIMIT_HITS.labels(operation, identity.tier).inc()
        return CroupierError(
            "RATE_LIMITED",
            "Too many reads, of which there are fewer while Redis is away.",
            retry_after_s=wait_s,
            scope="reads",
            window="minute",
            limit_per_second=0,
            limit_per_minute=self._per_minute,
        )
