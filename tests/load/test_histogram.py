"""The histogram against the sorted list of what was recorded."""

from fractions import Fraction
from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from croupier_cli.load.hgrm import hgrm
from croupier_cli.load.histogram import HIGHEST_US, ROUGH_BITS, Histogram

PERCENTILES = ("0.001", "25", "50", "90", "99", "99.9", "99.99", "100")
DURATIONS = st.lists(
    st.one_of(st.integers(0, 5_000), st.integers(0, HIGHEST_US), st.sampled_from([0, 2_047, 2_048, HIGHEST_US])),
    max_size=300,
)  # fmt: skip


def recorded(durations: list[int], *bits: int) -> Histogram:
    histogram = Histogram(*bits)
    for us in durations:
        histogram.record(us)
    return histogram


@given(DURATIONS.filter(bool))
def test_given_durations_then_each_percentile_is_the_nearest_rank_within_a_thousandth(
    durations: list[int],
) -> None:
    histogram = recorded(durations)
    in_order = sorted(durations)

    for percentile, found in zip(PERCENTILES, histogram.percentiles_us(PERCENTILES), strict=True):
        exact = in_order[ceil(Fraction(percentile) * len(in_order) / 100) - 1]
        assert found == histogram.highest_equivalent_us(exact)
        assert exact <= found <= exact + exact // 1000
    assert histogram.total == len(durations)
    assert histogram.highest_us == histogram.highest_equivalent_us(in_order[-1])


@given(DURATIONS, DURATIONS)
def test_given_two_histograms_when_merged_then_it_is_as_if_all_had_been_recorded_in_one(
    first: list[int], second: list[int]
) -> None:
    merged = recorded(first)
    before = merged.counts.copy()
    merged.merge(recorded(second))

    assert merged.counts == recorded(first + second).counts
    assert merged.since(before).counts == recorded(second).counts


@given(st.integers(0, HIGHEST_US), st.sampled_from([ROUGH_BITS, 11]))
def test_given_any_duration_then_it_has_one_place_and_neighbours_are_in_order(us: int, bits: int) -> None:
    highest = Histogram(bits).highest_equivalent_us(us)

    assert us <= highest <= us + (us >> (bits - 1))
    assert Histogram(bits).highest_equivalent_us(highest) == highest
    assert Histogram(bits).highest_equivalent_us(min(highest + 1, HIGHEST_US)) >= highest


@given(st.integers(HIGHEST_US + 1, 10**15))
def test_given_more_than_an_hour_then_it_counts_as_an_hour(us: int) -> None:
    assert recorded([us]).counts == recorded([HIGHEST_US]).counts


def test_given_a_thousand_durations_then_p99_9_is_the_999th_and_not_the_last() -> None:
    # 99.9 / 100 * 1000 is a little more than 999 in binary floating point.
    assert recorded(list(range(1, 1_001))).percentiles_us(("99.9",)) == [999]


def test_given_nothing_recorded_then_all_is_zero() -> None:
    assert Histogram().percentiles_us(("50", "100")) == [0, 0]
    assert (Histogram().highest_us, Histogram().mean_and_deviation_us()) == (0, (0.0, 0.0))
    assert "Total count    =            0]" in hgrm(Histogram())


def test_given_ten_durations_then_the_text_is_that_of_hdr_histogram() -> None:
    text = hgrm(recorded([1_000] * 9 + [2_000]))

    assert text.splitlines() == [
        "       Value     Percentile TotalCount 1/(1-Percentile)",
        "",
        "       1.000 0.000000000000          9           1.00",
        "       1.000 0.100000000000          9           1.11",
        "       1.000 0.200000000000          9           1.25",
        "       1.000 0.300000000000          9           1.43",
        "       1.000 0.400000000000          9           1.67",
        "       1.000 0.500000000000          9           2.00",
        "       1.000 0.550000000000          9           2.22",
        "       1.000 0.600000000000          9           2.50",
        "       1.000 0.650000000000          9           2.86",
        "       1.000 0.700000000000          9           3.33",
        "       1.000 0.750000000000          9           4.00",
        "       1.000 0.775000000000          9           4.44",
        "       1.000 0.800000000000          9           5.00",
        "       1.000 0.825000000000          9           5.71",
        "       1.000 0.850000000000          9           6.67",
        "       1.000 0.875000000000          9           8.00",
        "       1.000 0.887500000000          9           8.89",
        "       1.000 0.900000000000          9          10.00",
        "       2.000 0.912500000000         10          11.43",
        "       2.000 1.000000000000         10",
        "#[Mean    =        1.100, StdDeviation   =        0.300]",
        "#[Max     =        2.000, Total count    =           10]",
        "#[Buckets =           22, SubBuckets     =         2048]",
    ]


@given(DURATIONS)
def test_given_any_durations_then_the_lines_of_the_text_only_rise(durations: list[int]) -> None:
    rows = [line.split() for line in hgrm(recorded(durations)).splitlines()[2:-3]]

    for column in range(3):
        values = [float(row[column]) for row in rows]
        assert values == sorted(values)
    if durations:
        assert (float(rows[-1][1]), int(rows[-1][2])) == (1.0, len(durations))
