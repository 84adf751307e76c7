"""What a run did and found, for people and for machines."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

import asyncpg

from tests.chaos.faults import Done
from tests.chaos.invariants import Tail, with_events
from tests.chaos.load import Answer

_SHOWN_MAX: Final = 20
_COLUMN: Final = 26


@dataclass
class Outage:
    """The longest time in which nobody was answered with an effect, in seconds, and what happened in it."""

    seconds: float = 0.0
    faults: list[str] = field(default_factory=list)


@dataclass
class Report:
    """What happened, and what should not have. Times are seconds."""

    seed: int
    seconds: float
    done: list[Done] = field(default_factory=list)
    bytes_cut: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    heals: list[asyncpg.Record] = field(default_factory=list)
    keys: Counter[str] = field(default_factory=Counter)
    attempts: Counter[str] = field(default_factory=Counter)
    events: int = 0
    event_types: Counter[str] = field(default_factory=Counter)
    replies_replayed: int = 0
    strict: int = 0
    tails: list[Tail] = field(default_factory=list)
    waits_s: dict[str, float] = field(default_factory=dict)
    outage: Outage = field(default_factory=Outage)
    recovered_s: float = 0.0
    took_s: float = 0.0
    problems: list[str] = field(default_factory=list)

    @property
    def again(self) -> str:
        """The command that does the same again."""
        return f"make chaos SEED={self.seed} SECONDS={self.seconds:g}"

    @property
    def faults(self) -> Counter[str]:
        return Counter(each.kind for each in self.done)

    def lost(self) -> dict[str, dict[str, float]]:
        """By the kind of fault: how many answers of fast mode, in how many tails, and how old the oldest was."""
        found: dict[str, dict[str, float]] = {}
        for tail in self.tails:
            row = found.setdefault(tail.loss.kind, {"tails": 0, "answers": 0, "oldest_s": -math.inf})
            row["tails"] += 1
            row["answers"] += tail.answers
            row["oldest_s"] = round(max(row["oldest_s"], tail.oldest_s), 3)
        return found

    def heal_seconds(self) -> list[float]:
        return sorted(heal["seconds"] for heal in self.heals if heal["seconds"] is not None)

    def machine(self) -> dict[str, Any]:
        """All of it, as JSON has it."""
        return {
            "seed": self.seed,
            "seconds": self.seconds,
            "again": self.again,
            "faults": dict(sorted(self.faults.items())),
            "bytes_cut": self.bytes_cut,
            "requests_by_status": {str(status): count for status, count in sorted(self.statuses.items())},
            "errors_by_code": dict(sorted(self.codes.items())),
            "heals": dict(self._causes()),
            "heal_seconds": self.heal_seconds(),
            "events": self.events,
            "events_by_type": dict(sorted(self.event_types.items())),
            "replies_same_in_model": self.replies_replayed,
            "strict_answers": self.strict,
            "lost": self.lost(),
            "asked_again": dict(sorted(self.keys.items())),
            "attempts_looked_up": dict(sorted(self.attempts.items())),
            "first_answer_after_seconds": self.waits_s,
            "longest_outage": {"seconds": self.outage.seconds, "faults": self.outage.faults},
            "recovered_seconds": self.recovered_s,
            "took_seconds": self.took_s,
            "problems": self.problems,
        }

    def __str__(self) -> str:
        took = self.heal_seconds()
        lost = ", ".join(
            f"{kind}: {row['answers']:.0f} in {row['tails']:.0f} tails, the oldest {row['oldest_s']:.2f} s before"
            for kind, row in sorted(self.lost().items())
        )
        waits = ", ".join(f"{kind} {wait_s:.1f}" for kind, wait_s in sorted(self.waits_s.items()))
        rows = {
            "seed": f"{self.seed}: {self.again}",
            "faults": f"{len(self.done)}: {_counted(self.faults)}",
            "truncated": f"{self.bytes_cut:,} bytes",
            "requests": f"{self.statuses.total()} by status (0: no answer): {_counted(self.statuses)}",
            "errors": _counted(self.codes),
            "heals": f"{len(self.heals)}: {_counted(self._causes())}; longest {took[-1] if took else 0:.3f} s",
            "events": f"{self.events}: {_counted(self.event_types)}",
            "replies as in the model": f"{self.replies_replayed}",
            "strict answers": f"{self.strict}, all to be in Postgres",
            "lost answers of fast mode": lost or "none",
            "asked again": _counted(self.keys),
            "attempts looked up": _counted(self.attempts),
            "first answer, s after": waits,
            "longest outage": f"{self.outage.seconds:.1f} s: {', '.join(self.outage.faults)}",
            "recovered": f"{self.recovered_s:.1f} s after the last fault",
            "took": f"{self.took_s:.1f} s",
        }
        lines = [f"{name:<{_COLUMN}}{text}" for name, text in rows.items()]
        lines += [f"{'PROBLEM':<{_COLUMN}}{problem}" for problem in self.problems[:_SHOWN_MAX]]
        if (more := len(self.problems) - _SHOWN_MAX) > 0:
            lines.append(f"{'PROBLEM':<{_COLUMN}}and {more} more")
        return "\n".join([*lines, f"{len(self.problems)} problems"])

    def _causes(self) -> Counter[str]:
        return Counter(f"{heal['cause']}{' (all keys)' * heal['rebuilt']}" for heal in self.heals)


def first_answers(done: Sequence[Done], answers: Sequence[Answer]) -> dict[str, float]:
    """By kind: how long after the end of such a fault it took at most until somebody was answered with an effect.

    Other faults may have come in between.
    """
    effects = _effects(answers)
    waits: dict[str, float] = {}
    for kind, _, ended_s in done:
        wait_s = next(
            (at_s - ended_s for at_s in effects if at_s > ended_s), 0.0
        )  # else the load ended first
        waits[kind] = round(max(waits.get(kind, 0.0), wait_s), 3)
    return waits


def longest_outage(done: Sequence[Done], answers: Sequence[Answer]) -> Outage:
    """Between two answers that tell of a new effect."""
    pairs = pairwise(_effects(answers))
    before_s, after_s = max(pairs, key=lambda pair: pair[1] - pair[0], default=(0.0, 0.0))
    faults = [each.kind for each in done if each.began_s < after_s and each.ended_s > before_s]
    return Outage(round(after_s - before_s, 3), faults)


def _effects(answers: Sequence[Answer]) -> list[float]:
    """When somebody was told of something new, monotonic."""
    return sorted(answer.at_s for answer in with_events(answers) if not answer.replayed)


def _counted(counts: Counter[Any]) -> str:
    return ", ".join(f"{name}: {count}" for name, count in sorted(counts.items())) or "none"
