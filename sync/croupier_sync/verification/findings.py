"""What a verification has found."""

from collections import Counter
from typing import Literal, TypeAlias

import msgspec

from croupier_schemas.events import EventId

PROBLEMS_MAX = 100
"""How many problems of one check are kept; the others are counted."""

Check: TypeAlias = Literal[
    "balances", "conservation", "crash", "cursor", "digests", "economies", "gacha", "ids", "ledger", "mirror", "nonces",
    "once", "outcomes", "players", "pools", "readable", "redis",
]  # fmt: skip


class Problem(msgspec.Struct, frozen=True):
    """One problem: the check that found it, the event that it is about, if it is about one, and a sentence."""

    check: Check
    event_id: str | None
    message: str

    def __str__(self) -> str:
        return (
            f"{self.check}: event {self.event_id}: {self.message}"
            if self.event_id
            else f"{self.check}: {self.message}"
        )


class Findings:
    """Problems in the order in which they were found, at most `PROBLEMS_MAX` of each check."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._counts: Counter[Check] = Counter()

    def add(self, check: Check, message: str, event: EventId | None = None) -> None:
        """Keep a problem, or count it where there are too many like it."""
        self._counts[check] += 1
        if self._counts[check] <= PROBLEMS_MAX:
            self.problems.append(Problem(check, str(event) if event else None, message))

    def of(self, check: Check) -> int:
        """How many problems a check has found."""
        return self._counts[check]

    @property
    def total(self) -> int:
        """All problems, those included that were only counted."""
        return self._counts.total()
