"""Durations that are carried over together: the histogram says what it says of each by itself."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from croupier_http.metrics import SECONDS_BOUNDS, SecondsTally


def histogram() -> tuple[Histogram, CollectorRegistry]:
    registry = CollectorRegistry()
    return Histogram("seconds", "s", ["of"], buckets=SECONDS_BOUNDS, registry=registry), registry


def shown(registry: CollectorRegistry) -> list[str]:
    return [
        line
        for line in generate_latest(registry).decode().split("\n")
        if "_bucket" in line or "_count" in line
    ]


@given(
    st.lists(st.one_of(st.floats(0, 20), st.sampled_from(SECONDS_BOUNDS)), max_size=60), st.integers(0, 60)
)
def test_given_durations_when_carried_over_in_two_parts_then_the_histogram_is_as_if_each_were_observed(
    seconds: list[float], first: int
) -> None:
    (one_by_one, expected), (together, seen) = histogram(), histogram()
    tally = SecondsTally(together, "x")
    one_by_one.labels("x")

    for part in (seconds[:first], seconds[first:]):
        for each in part:
            one_by_one.labels("x").observe(each)
            tally.observe(each)
        tally.carry_over()
        tally.carry_over()

    assert shown(seen) == shown(expected)
    assert abs(seen.get_sample_value("seconds_sum", {"of": "x"}) - sum(seconds)) < 1e-6  # type: ignore[operator]
