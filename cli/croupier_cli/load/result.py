"""What a load has shown: the figures of each step and of all together, as `--json` prints them."""

import msgspec

from croupier_cli.load.histogram import Histogram
from croupier_cli.load.scenarios import Mix
from croupier_cli.load.tally import NOT_SENT, Outcome, StepTally, Tally

PERCENTILES = ("50", "90", "95", "99", "99.9", "99.99")


class Latency(msgspec.Struct, frozen=True):
    """In milliseconds. Percentiles are nearest-rank, to 3 significant digits; `max` is exact. All 0 without answers."""

    p50: float
    p90: float
    p95: float
    p99: float
    p99_9: float
    p99_99: float
    max: float


class Figures(msgspec.Struct, frozen=True):
    """Requests by their outcome; `requests` is the sum of `done`, `limited`, `refused` and `errors`.

    `per_s` counts those that were answered, whatever the answer. `by_code` has what was not done, by its status and
    code, or by what else became of it.
    """

    requests: int
    per_s: float
    done: int
    limited: int
    refused: int
    errors: int
    by_code: dict[str, dict[str, int]]
    latency_ms: Latency


class Moment(msgspec.Struct, frozen=True):
    """A second of the load, which ends at `ends_s`: answers per second, and their latencies to 2 digits."""

    ends_s: float
    per_s: float
    p50_ms: float
    p99_ms: float
    max_ms: float


class Generator(msgspec.Struct, frozen=True):
    """The load generator itself: its share of one core, and in an open loop how late it saw at worst what was due."""

    cpu_share: float
    late_ms_max: float


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """A whole load. `rate` is null in a closed loop. `ended_early` says why it did not run to its end, if so."""

    url: str
    protocol: str
    loop: str
    rate: float | None
    connections: int
    commands_per_frame: int
    players: int
    seconds: float
    total: Figures
    scenarios: dict[str, Figures]
    error_share: float
    error_budget: float | None
    within_budget: bool | None
    ended_early: str | None
    generator: Generator
    over_time: list[Moment]


def figures_of(mix: Mix, tally: Tally, not_sent: int) -> tuple[Figures, dict[str, Figures]]:
    """Of all together, and of each step. `not_sent` requests had come to no step yet."""
    seconds = (tally.ended_ns - tally.begins_ns) / 1e9
    whole = StepTally()
    for each in tally.steps:
        whole.done += each.done
        whole.others += each.others
        whole.histogram.merge(each.histogram)
        whole.longest_us = max(whole.longest_us, each.longest_us)
    if not_sent:
        whole.others[Outcome.ERROR, NOT_SENT] += not_sent
    steps = {step.name: _figures(tally.steps[step.number], seconds) for step in mix.steps}
    return _figures(whole, seconds), dict(sorted(steps.items()))


def _figures(tally: StepTally, seconds: float) -> Figures:
    by_outcome = dict.fromkeys(Outcome, 0) | {Outcome.DONE: tally.done}
    by_code: dict[str, dict[str, int]] = {}
    for (outcome, code), count in sorted(tally.others.items(), key=lambda item: -item[1]):
        by_outcome[outcome] += count
        by_code.setdefault(_NAMES[outcome], {})[code] = count
    unanswered = sum(
        count
        for (outcome, code), count in tally.others.items()
        if outcome is Outcome.ERROR and not code[:3].isdigit()
    )
    requests = sum(by_outcome.values())
    return Figures(
        requests,
        round((requests - unanswered) / seconds, 1) if seconds else 0.0,
        by_outcome[Outcome.DONE],
        by_outcome[Outcome.LIMITED],
        by_outcome[Outcome.REFUSED],
        by_outcome[Outcome.ERROR],
        by_code,
        _latency(tally.histogram, tally.longest_us),
    )


_NAMES = {Outcome.LIMITED: "limited", Outcome.REFUSED: "refused", Outcome.ERROR: "errors"}


def _latency(histogram: Histogram, longest_us: int) -> Latency:
    # A place of the histogram may end above all that is in it.
    p50, p90, p95, p99, p99_9, p99_99 = (
        min(us, longest_us) / 1000 for us in histogram.percentiles_us(PERCENTILES)
    )
    return Latency(p50, p90, p95, p99, p99_9, p99_99, longest_us / 1000)


def moments(tally: Tally) -> list[Moment]:
    """The load second by second."""
    return [
        Moment(
            round(second.ends_s, 3),
            round(second.answered / second.seconds, 1),
            second.p50_us / 1000,
            second.p99_us / 1000,
            second.longest_us / 1000,
        )
        for second in tally.seconds
    ]
