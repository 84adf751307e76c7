"""The engine with its scripts against the model of the casino in plain Python."""

import os
import random

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.commands.long_course import LongCourse
from tests.commands.machine import EngineAndModel


@pytest.mark.timeout(600)  # seconds if it passes, minutes to make a failing course short
def test_given_any_course_of_events_when_engine_and_model_run_it_then_replies_state_and_events_are_equal(
    redis_url: str,
) -> None:
    run_state_machine_as_test(
        lambda: EngineAndModel(redis_url),  # type: ignore[arg-type]  # a factory does as well as a class
        settings=settings(
            max_examples=100,
            stateful_step_count=40,
            deadline=None,
            database=None,
            derandomize="CI" in os.environ,  # the same courses in CI, others on each run elsewhere
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )


@pytest.mark.parametrize("seed", range(4))
def test_given_a_long_course_by_a_seed_when_engine_and_model_run_it_then_replies_state_and_events_are_equal(
    redis_url: str, seed: int
) -> None:
    machine = EngineAndModel(redis_url)
    try:
        LongCourse(machine, random.Random(seed)).run(2_000)
    finally:
        machine.teardown()
