"""What a verification has found."""

import datetime
from collections import Counter
from collections.abc import Sequence
from typing import Literal, TypeAlias

import msgspec

from croupier_schemas.events import EventId

PROBLEMS_MAX = 100
"""How many problems of one check are kept; the others are counted."""

Check: TypeAlias = Literal[
    "balances", "conservation", "crash", "cursor", "digests", "economies", "gacha", "ids", "ledger", "mirror", "nonces",
    "once", "outcomes", "players", "pools", "projections", "readable", "redis",
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

    def differences(
        self, check: Check, place: str, columns: Sequence[str], wanted: Sequence[object] | None,
        found: Sequence[object] | None, event: EventId | None = None,
    ) -> None:  # fmt: skip
        """Add a problem for each column in which a row differs from the one wanted, or for a row that only one has."""
        if found is None:
            self.add(check, f"{place}: the row is missing", event)
        elif wanted is None:
            self.add(check, f"{place}: no event makes this row", event)
        else:
            for column, want, have in zip(columns, wanted, found, strict=True):
                if want != have:
                    self.add(
                        check,
                        f"{place}: {column} is {_shown(have)}, and the log makes it {_shown(want)}",
                        event,
                    )

    def absorb(self, other: "Findings") -> None:
        """Add all that others have found."""
        for problem in other.problems:
            if self._counts[problem.check] < PROBLEMS_MAX:
                self.problems.append(problem)
        self._counts += other._counts

    def of(self, check: Check) -> int:
        """How many problems a check has found."""
        return self._counts[check]

    @property
    def total(self) -> int:
        """All problems, those included that were only counted."""
        return self._counts.total()


def _shown(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime.datetime) else repr(value)
