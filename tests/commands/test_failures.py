"""What callers are told when Redis refuses a script before it starts: that nothing was done, and to try again."""

import pytest

from croupier.failures import failure
from croupier.transport import OutcomeUnknown, Unavailable
from croupier.transport.errors import reply_error


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        ("OOM command not allowed when used memory > 'maxmemory'.", "OVERLOADED"),
        ("NOREPLICAS Not enough good replicas to write.", "NOT_READY"),
        ("MISCONF Errors writing to the AOF file: No space left on device", "NOT_READY"),
        ("NOSCRIPT No matching script.", "NOT_READY"),  # its source came too late to be run in time
        ("BUSY Redis is busy running a script.", "NOT_READY"),
    ],
)
def test_given_a_script_refused_before_it_starts_when_told_then_it_may_be_tried_again(
    reply: str, code: str
) -> None:
    told = failure(reply_error(reply), command="gacha.pull")

    assert told.code == code
    assert told.retry_after_s == 1


def test_given_a_connection_lost_when_told_then_what_may_have_run_is_not_called_undone() -> None:
    assert failure(OutcomeUnknown("lost after the write"), command="gacha.pull").code == "OUTCOME_UNKNOWN"
    assert failure(Unavailable("never sent"), command="gacha.pull").code == "NOT_READY"


def test_given_an_error_inside_a_script_when_told_then_it_is_no_reason_to_try_again() -> None:
    told = failure(reply_error("ERR user_script:12: attempt to index a nil value"), command="gacha.pull")

    assert told.code == "INTERNAL"
