"""Errors can be pickled, say what to do, and hold no secret."""

import copy
import logging
import pickle

import pytest

from croupier_client import (
    Client,
    ClientError,
    CroupierProtocolError,
    CroupierRefused,
    CroupierUnavailable,
    Stream,
)
from tests.http.support import Client as Http
from tests.http.support import token

ERRORS: list[ClientError] = [
    CroupierRefused("RATE_LIMITED", "Too many.", 429, {"field": "count"}, "r", 1.5, {"scope": "games"}),
    CroupierUnavailable("No answer", True, "a-key", 3, "OUTCOME_UNKNOWN", "r"),
    CroupierProtocolError("Not msgpack.", "a-key"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_given_an_error_when_pickled_or_copied_then_nothing_of_it_is_lost(error: ClientError) -> None:
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(again) is type(error)
        assert vars(again) == vars(error)
        assert str(again) == str(error)


def test_given_a_refusal_when_read_then_it_says_what_is_wrong_when_to_come_back_and_under_which_id() -> None:
    text = str(ERRORS[0])

    assert text.startswith("RATE_LIMITED (429): Too many.")
    assert "with jitter and the same `Idempotency-Key`" in text
    assert "Retry-After: 1.5 s" in text
    assert "[request r]" in text


@pytest.mark.parametrize("kind", [Client, Stream])
@pytest.mark.parametrize(
    "url", ["casino.example", "ftp://casino.example", "http://", "http://u:p@h", "http://h/x"]
)
async def test_given_an_address_that_is_none_when_made_then_the_error_does_not_repeat_it(
    kind: type[Client] | type[Stream], url: str
) -> None:
    with pytest.raises(ValueError, match="base_url") as failed:
        kind(url, "t")

    assert "u:p" not in str(failed.value)


@pytest.mark.parametrize("kind", [Client, Stream])
async def test_given_a_client_that_was_not_entered_when_called_then_the_error_says_how(
    kind: type[Client] | type[Stream],
) -> None:
    with pytest.raises(RuntimeError, match="async with"):
        await kind("http://127.0.0.1:1", "t").pull()


async def test_given_tokens_and_tickets_when_used_and_refused_then_no_error_text_and_log_has_them(
    server: Http, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    shown: list[str] = []
    for bearer in (token(), token() + "x", token(43)):
        signature = bearer.rpartition(".")[2]
        for me in (
            Client(server.url, bearer),
            Stream(server.url, bearer),
            Stream(server.url, bearer, tickets=True),
            Stream(server.url, bearer, path="/api/games/ws/monitor", tickets=True),
        ):
            try:
                async with me:
                    shown.append(repr(vars(me)))
                    await me.pull()
            except CroupierRefused as error:
                while error is not None:
                    shown.append(repr(error) + str(error) + repr(vars(error)))
                    error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)  # type: ignore[assignment]
            shown.append(repr(me))
        assert all(signature not in text for text in [*shown, caplog.text])
    assert "ticket=" not in "".join([*shown, caplog.text])
