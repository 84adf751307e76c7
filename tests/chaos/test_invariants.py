"""The checks see what they are there for: small logs and answers in which one thing is wrong."""

import json
import math
from collections.abc import Sequence
from typing import Any

import pytest

from croupier_schemas.events import EventId
from tests.chaos import attempts, invariants
from tests.chaos.faults import Loss
from tests.chaos.invariants import Log, Logged
from tests.chaos.load import BET, SPIN, Answer, Request, Told

FIRST, SECOND, THIRD = (EventId(0, 1, seq) for seq in range(3))


def _logged(number: int) -> Logged:
    return Logged(uid=7, key=f"key-{number}", op_id=f"{number:032x}")


def _answer(number: int, event: EventId, *, path: str = SPIN, at: int = 0, at_s: float = 10.0) -> Answer:
    """The reply of request `number`, asked and answered one after the other at places `at` and `at + 1`."""
    data = json.dumps({"receipt": {"event_id": str(event)}}).encode()
    request = Request(7, path, {}, f"key-{number}")
    return Answer(request, at, at + 1, at_s, 200, False, data, f"{number:032x}")


LOG: Log = {FIRST: _logged(1), SECOND: _logged(2)}


def test_given_a_sound_log_when_checked_then_nothing_is_found() -> None:
    answers = [_answer(1, FIRST, path=BET), _answer(2, SECOND, at=2)]

    lost = invariants.lost_tails(LOG, answers, [])

    assert lost == ([], [])
    for found in (
        invariants.gapless(LOG), invariants.once_per_key(LOG), invariants.strict_held(LOG, answers),
        invariants.all_held(LOG, answers), invariants.in_order(LOG, answers),
    ):  # fmt: skip
        assert found == []


def test_given_a_number_left_out_when_checked_then_the_gap_is_found() -> None:
    assert invariants.gapless({FIRST: _logged(1), THIRD: _logged(3)})


@pytest.mark.parametrize("second", [Logged(7, "key-1", "f" * 32), _logged(1)._replace(key="")])
def test_given_a_key_or_an_attempt_with_two_events_when_checked_then_it_is_found(second: Logged) -> None:
    assert invariants.once_per_key({FIRST: _logged(1), SECOND: second})


def test_given_a_strict_reply_without_its_event_when_checked_then_it_is_found() -> None:
    assert invariants.strict_held(LOG, [_answer(3, THIRD, path=BET)])
    # Another event has its place.
    assert invariants.strict_held(LOG, [_answer(3, SECOND, path=BET)])


@pytest.mark.parametrize(
    ("event", "since_s", "sound"),
    [(THIRD, 9.0, True), (THIRD, 10.5, False), (THIRD, math.inf, False), (FIRST, 9.0, False)],
)
def test_given_a_lost_reply_when_it_is_no_end_of_an_epoch_or_older_than_the_loss_then_it_is_found(
    event: EventId, since_s: float, sound: bool
) -> None:
    losses: Sequence[Loss] = [] if since_s == math.inf else [Loss("valkey killed", since_s, 11.0, 11.0)]

    _, found = invariants.lost_tails(LOG, [_answer(3, event)], losses)

    assert (not found) == sound


def test_given_events_in_another_order_than_their_replies_when_checked_then_it_is_found() -> None:
    assert invariants.in_order(LOG, [_answer(2, SECOND, at=0), _answer(1, FIRST, at=2)])
    # Asked before the other one was answered, it may come first.
    later = Answer(Request(7, SPIN, {}, "key-1"), 0, 3, 10.0, 200, False, _answer(1, FIRST).data, f"{1:032x}")
    assert not invariants.in_order(LOG, [_answer(2, SECOND, at=1), later])


@pytest.mark.parametrize(
    ("number", "outcome", "event", "durable", "sound"),
    [
        (1, "applied", FIRST, True, True),
        (1, "applied", SECOND, True, False),
        (1, "not_applied", None, None, False),
        (1, "unknown", None, None, True),
        (3, "applied", THIRD, True, False),
        (3, "applied", THIRD, False, True),  # fast mode lost it afterwards
        (3, "not_applied", None, None, True),
    ],
)
def test_given_what_is_said_of_an_attempt_when_it_is_wrong_then_it_is_found(
    number: int, outcome: str, event: EventId | None, durable: bool | None, sound: bool
) -> None:
    log = {logged.op_id: event_id for event_id, logged in LOG.items()}

    found = attempts.never_wrong(log, [Told(f"{number:032x}", outcome, event, durable)])

    assert (not found) == sound


@pytest.mark.parametrize(
    ("status", "code", "sound"),
    [(503, "NOT_READY", False), (503, "OUTCOME_UNKNOWN", True), (409, "CRASH_BET_ACTIVE", False)],
)
def test_given_a_refusal_of_what_has_an_event_when_checked_then_it_is_found(
    status: int, code: str, sound: bool
) -> None:
    body: dict[str, Any] = {"code": code}
    answer = Answer(Request(7, SPIN, {}, "key-1"), 0, 1, 10.0, status, False, json.dumps(body).encode(), "a")

    assert (not attempts.refused_for_good({"a": FIRST}, [answer])) == sound
