"""Limits per client address on what needs no valid token. Decision 0009 says why they are kept by each worker."""

from array import array
from collections import OrderedDict
from collections.abc import Callable
from time import monotonic
from typing import Final, Literal, NamedTuple

from aiohttp import web
from multidict import istr

from croupier.errors import CroupierError
from croupier_http.addresses import Addresses
from croupier_http.endpoints import Endpoint, Places
from croupier_http.metrics import RATE_LIMIT_HITS
from croupier_http.replies import Answer

ADDRESSES_MAX: Final = 50_000
"""Addresses that are counted at once. Whoever has more of them than that is not to be stopped by counting."""

PROBES: Final = frozenset({"/health", "/ready", "/metrics"})
"""Pages without a limit: what calls them watches the servers, and starts and stops them by the answer."""

_X_FORWARDED_FOR: Final = istr("X-Forwarded-For")

WindowName = Literal["second", "minute"]


class Window(NamedTuple):
    """At most `limit` requests in any `length_s` seconds."""

    name: WindowName
    limit: int
    length_s: float


class Wait(NamedTuple):
    """A request was one too many: in `seconds` there will be room in the window of that name, and in the others."""

    window: WindowName
    seconds: float


class SlidingWindows:
    """Counts requests by address in windows that end now, exactly. A limit of 0 is none.

    Per address it keeps the times of as many requests as the highest limit; of more than `addresses_max` addresses the
    one that has not asked for longest is forgotten, and so is an address whose requests have left all windows.
    """

    def __init__(
        self,
        per_second: int,
        per_minute: int,
        now_s: Callable[[], float],
        *,
        addresses_max: int = ADDRESSES_MAX,
    ) -> None:
        windows = (Window("second", per_second, 1.0), Window("minute", per_minute, 60.0))
        self._windows = [window for window in windows if window.limit]
        self._kept_max = max((window.limit for window in self._windows), default=0)
        self._longest_s = max((window.length_s for window in self._windows), default=0.0)
        self._addresses_max = addresses_max
        self._now_s = now_s
        # The times of the requests that were let through, oldest first; the address that asked last is at the end.
        self._times: OrderedDict[str, array[float]] = OrderedDict()

    def __len__(self) -> int:
        """How many addresses are remembered."""
        return len(self._times)

    def take(self, address: str) -> Wait | None:
        """Count a request and return None; or, where it is one too many, do not count it and say how long to wait."""
        if not self._windows:
            return None
        now_s = self._now_s()
        times = self._times.get(address)
        if times is None:
            times = self._times[address] = array("d")
        else:
            self._times.move_to_end(address)
        wait = self._wait(times, now_s)
        if wait is None:
            times.append(now_s)
            if len(times) > self._kept_max:
                del times[0]
        self._forget_idlest(now_s)
        return wait

    def _wait(self, times: "array[float]", now_s: float) -> Wait | None:
        waits = [
            Wait(window.name, seconds)
            for window in self._windows
            if len(times) >= window.limit and (seconds := times[-window.limit] + window.length_s - now_s) > 0
        ]
        return max(waits, key=lambda wait: wait.seconds, default=None)

    def _forget_idlest(self, now_s: float) -> None:
        """One at most: no request pays for many, and since no more than one was added, there are never too many."""
        idlest = next(iter(self._times.values()))
        if len(self._times) > self._addresses_max or idlest[-1] + self._longest_s <= now_s:
            self._times.popitem(last=False)


class FromStranger(CroupierError):
    """A refusal from before it was known who asks: anyone can cause it, as often as they like."""

    def __init__(self, refusal: CroupierError) -> None:
        super().__init__(refusal.code, refusal.message, retry_after_s=refusal.retry_after_s, **refusal.fields)


class Strangers:
    """Says which requests without a valid token are too many from their address, and counts those."""

    def __init__(self, addresses: Addresses, per_second: int, per_minute: int) -> None:
        self._addresses = addresses
        self._limits = {"limit_per_second": per_second, "limit_per_minute": per_minute}
        self._windows = SlidingWindows(per_second, per_minute, monotonic)

    def refusal(self, request: web.BaseRequest, operation: str) -> CroupierError | None:
        """Count the request; RATE_LIMITED, to be raised or answered, where it is one too many."""
        address = self._addresses.client(request.remote, request.headers.getall(_X_FORWARDED_FOR, []))
        wait = self._windows.take(address)
        if wait is None:
            return None
        RATE_LIMIT_HITS.labels(operation, "none").inc()
        return CroupierError(
            "RATE_LIMITED",
            "Too many requests without a valid token from this address.",
            retry_after_s=wait.seconds,
            scope="address",
            window=wait.window,
            **self._limits,
        )


class LimitedPage:
    """A page that strangers may have so many times."""

    def __init__(self, page: Endpoint, operation: str, strangers: Strangers) -> None:
        self._page = page
        self._operation = operation
        self._strangers = strangers

    async def answer(self, request: web.BaseRequest, op_id: bytes, places: Places) -> Answer:
        if refusal := self._strangers.refusal(request, self._operation):
            raise refusal
        return await self._page.answer(request, op_id, places)
