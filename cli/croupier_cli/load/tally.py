"""What came of the requests: counted while the load runs."""

import time
from collections import Counter
from collections.abc import Sequence
from enum import IntEnum
from typing import Final, NamedTuple

import msgspec

from croupier_cli.load.histogram import ROUGH_BITS, Histogram
from croupier_cli.load.scenarios import Step

GAME_REFUSALS: Final = frozenset(
    {
        "INSUFFICIENT_BALANCE", "BALANCE_CAP", "BET_OUT_OF_RANGE", "CRASH_BET_ACTIVE", "CRASH_NO_ACTIVE_BET",
        "PLAYER_BANNED", "PLAYER_EXCLUDED", "GAME_DISABLED", "MAINTENANCE",
    }
)  # fmt: skip
"""Codes by which the rules of a game refuse a request: the server works as it should."""

TIMEOUT: Final = "timeout"
LOST: Final = "connection lost"
NOT_SENT: Final = "not sent"
NO_CONNECTION: Final = "no connection"

_OK: Final = 200
_TOO_MANY: Final = 429
_US_NS: Final = 1000


class Outcome(IntEnum):
    """The four kinds of outcomes."""

    DONE = 0
    LIMITED = 1
    """429: a rate limit, or a limit of the day."""
    REFUSED = 2
    """The rules of the game do not allow it, such as a balance that is too small."""
    ERROR = 3
    """Everything else: 5xx, requests that are wrong, lost connections, timeouts, and what was not sent."""


class _ErrorBody(msgspec.Struct):
    code: str = ""


class StepTally:
    """The outcomes of one step. `others` counts all that is not done, by outcome and code."""

    __slots__ = ("done", "histogram", "longest_us", "others")

    def __init__(self) -> None:
        self.done = 0
        self.others: Counter[tuple[Outcome, str]] = Counter()
        self.histogram = Histogram()
        self.longest_us = 0


class Second(NamedTuple):
    """What was answered within one second, or the last part of one. Latencies in microseconds, to 2 digits."""

    ends_s: float
    seconds: float
    answered: int
    p50_us: int
    p99_us: int
    longest_us: int


class Tally:
    """Counts what comes of the requests of a load, step by step and second by second.

    Durations are those of all requests that were answered, whatever the answer, and of those that timed out.
    """

    def __init__(self, steps: Sequence[Step], begins_ns: int) -> None:
        self.begins_ns = begins_ns
        self.ended_ns = begins_ns
        self.steps = [StepTally() for _ in steps]
        self.seconds: list[Second] = []
        self.rough = Histogram(ROUGH_BITS)
        self.errors = 0
        self._before = self.rough.counts.copy()
        self._before_ns = begins_ns

    def answered(self, step: Step, status: int, body: bytes, is_json: bool, due_ns: int) -> None:
        """An answer has come now to a request that was due at `due_ns`."""
        us = (time.perf_counter_ns() - due_ns) // _US_NS
        tally = self.steps[step.number]
        tally.histogram.record(us)
        self.rough.record(us)
        if us > tally.longest_us:
            tally.longest_us = us
        if status == _OK:
            tally.done += 1
        else:
            self._other(tally, status, body, is_json)

    def _other(self, tally: StepTally, status: int, body: bytes, is_json: bool) -> None:
        codec = msgspec.json if is_json else msgspec.msgpack
        try:
            code = codec.decode(body, type=_ErrorBody).code
        except (msgspec.DecodeError, UnicodeDecodeError):
            code = ""
        if status == _TOO_MANY:
            outcome = Outcome.LIMITED
        elif code in GAME_REFUSALS:
            outcome = Outcome.REFUSED
        else:
            outcome = Outcome.ERROR
            self.errors += 1
        tally.others[outcome, f"{status} {code}".rstrip()] += 1

    def failed(self, step: Step, code: str, due_ns: int | None = None) -> None:
        """A request will get no answer. `due_ns` is given where its duration until now counts."""
        tally = self.steps[step.number]
        tally.others[Outcome.ERROR, code] += 1
        self.errors += 1
        if due_ns is not None:
            us = (time.perf_counter_ns() - due_ns) // _US_NS
            tally.histogram.record(us)
            self.rough.record(us)
            tally.longest_us = max(tally.longest_us, us)

    def next_second(self, now_ns: int) -> None:
        """A second is over, or the load."""
        if now_ns <= self._before_ns:
            return
        within = self.rough.since(self._before)
        p50_us, p99_us = within.percentiles_us(("50", "99"))
        self.seconds.append(
            Second(
                (now_ns - self.begins_ns) / 1e9,
                (now_ns - self._before_ns) / 1e9,
                within.total,
                p50_us,
                p99_us,
                within.highest_us,
            )
        )
        self._before, self._before_ns = self.rough.counts.copy(), now_ns
