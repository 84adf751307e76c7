"""When turns become due."""

import time

from hypothesis import given
from hypothesis import strategies as st

from croupier_cli.load.run import Run
from croupier_cli.load.schedule import NOT_NOW, ClosedLoop, OpenLoop
from croupier_cli.load.tally import Tally

SECOND_NS = 1_000_000_000
MANY = 10**9


def open_loop(per_s: float, seconds: float = 10.0, turns: int = MANY, waiting_max: int = 10_000) -> OpenLoop:
    return OpenLoop(0, round(seconds * SECOND_NS), turns, per_s, waiting_max)


def taken(schedule: OpenLoop, now_ns: int) -> list[int]:
    """Everything that can be begun now."""
    found = []
    while (due_ns := schedule.take(now_ns)) != NOT_NOW:
        found.append(due_ns)
    return found


def test_given_a_closed_loop_then_every_turn_is_due_when_it_is_asked_for_until_time_or_number_is_over() -> (
    None
):
    by_number, by_time = ClosedLoop(SECOND_NS, 2), ClosedLoop(SECOND_NS, MANY)

    assert [by_number.take(5), by_number.take(9), by_number.take(9)] == [5, 9, NOT_NOW]
    assert by_number.is_over(9)
    assert [by_time.take(SECOND_NS - 1), by_time.take(SECOND_NS)] == [SECOND_NS - 1, NOT_NOW]
    assert by_time.is_over(SECOND_NS)
    assert not by_time.is_over(SECOND_NS - 1)


def test_given_an_open_loop_when_nobody_was_free_for_a_while_then_turns_are_due_since_when_they_became_due() -> (
    None
):
    schedule = open_loop(4)

    assert taken(schedule, 0) == [0]
    assert taken(schedule, SECOND_NS) == [250_000_000, 500_000_000, 750_000_000, SECOND_NS]
    assert taken(schedule, SECOND_NS) == []
    assert schedule.late_ns_max == 750_000_000


def test_given_that_it_is_looked_in_time_when_nobody_is_free_for_a_while_then_the_generator_was_not_late() -> (
    None
):
    schedule = open_loop(4)
    for quarter in range(5):
        schedule.look(quarter * SECOND_NS // 4)

    assert schedule.late_ns_max == 0
    assert len(taken(schedule, SECOND_NS)) == 5


async def test_given_a_run_whose_connections_are_all_busy_when_time_passes_then_what_becomes_due_is_seen() -> (
    None
):
    now_ns = time.perf_counter_ns()
    schedule = OpenLoop(now_ns - 2 * SECOND_NS, now_ns - SECOND_NS, MANY, 10, waiting_max=0)

    Run(schedule, Tally([], now_ns), places=1).tick()

    assert schedule.not_sent == 10


@given(st.floats(0.5, 50_000), st.floats(0, 0.5), st.lists(st.integers(0, SECOND_NS // 2), max_size=30))
def test_given_any_rate_whenever_it_is_looked_then_each_turn_comes_once_in_order_and_none_early(
    per_s: float, seconds: float, looks: list[int]
) -> None:
    schedule = open_loop(per_s, seconds, waiting_max=MANY)
    found: list[int] = []
    for now_ns in [*sorted(looks), SECOND_NS]:
        due = taken(schedule, now_ns)
        assert all(due_ns <= now_ns for due_ns in due)
        found += due

    assert found == sorted(found)
    assert len(found) == round(seconds * SECOND_NS / (1e9 / per_s))
    assert schedule.is_over(SECOND_NS)
    assert schedule.not_sent == 0


def test_given_room_for_three_when_more_become_due_then_the_latest_are_not_sent() -> None:
    schedule = open_loop(10, seconds=1.0, waiting_max=3)

    assert taken(schedule, SECOND_NS - 1) == [0, 100_000_000, 200_000_000]
    assert schedule.not_sent == 7
    assert schedule.is_over(SECOND_NS)


def test_given_turns_that_wait_when_given_up_then_they_are_not_sent_and_nothing_comes_any_more() -> None:
    schedule = open_loop(10)
    schedule.take(SECOND_NS)

    schedule.give_up()

    assert schedule.not_sent == 10
    assert schedule.take(2 * SECOND_NS) == NOT_NOW
    assert schedule.is_over(2 * SECOND_NS)
