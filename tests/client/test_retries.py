"""Calls that are repeated: each command is done once, whatever becomes of the connections."""

import asyncio
import itertools
import random
from time import monotonic
from typing import Any

import pytest
from aiohttp import web

from croupier_client import Client, CroupierProtocolError, CroupierRefused, CroupierUnavailable, Stream
from croupier_client.operations import operation_of
from croupier_client.retries import Patience
from croupier_schemas.events import Event
from tests.client.support import answering, wire_to
from tests.http.support import Client as Http
from tests.http.support import token
from tests.ws.support import House

WALLET = {"user_id": 42, "tokens": 5, "gems": 0}
PULLED = {
    "items": [], "daily_remaining": 1, "cost_used": 1, "balance": 1, "gems": 0,
    "pity": {"Legendary": 0, "Epic": 0, "Rare": 0, "guaranteed": False},
    "legacy_cost_mode": False,
    "receipt": {"event_id": "0-1-1", "seq": 1, "economy": "", "nonce": 1, "commitment": ""},
}  # fmt: skip


def error(code: str, status: int, **headers: str) -> web.Response:
    body = {"detail": code, "code": code, "message": "A message.", "request_id": "r"}
    return web.json_response(
        body, status=status, headers={name.replace("_", "-"): v for name, v in headers.items()}
    )


class Script:
    """Answers in turn; the last answer is given again and again. `keys` are the idempotency keys that came."""

    def __init__(self, *answers: web.Response | str) -> None:
        self._answers = [*answers[:-1], *itertools.repeat(answers[-1], 1000)]
        self.keys: list[str | None] = []
        self.tokens: list[str] = []

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        self.keys.append(request.headers.get("Idempotency-Key"))
        self.tokens.append(request.headers["Authorization"])
        await request.read()
        answer = self._answers[len(self.keys) - 1]
        if isinstance(answer, str):
            if answer == "cut":
                assert request.transport is not None
                request.transport.abort()
            await asyncio.sleep(60 if answer == "silence" else 0)
            return web.Response(status=500)
        return web.Response(body=answer.body, status=answer.status, headers=answer.headers)


async def require_once_each(house: House, keys: list[str], types: set[str]) -> list[Event]:
    """The log has exactly one event for each of the keys."""
    await house.casino.until_caught_up()
    events = [event for event in await house.casino.log() if event.header.type in types]
    assert sorted(event.header.idempotency_key for event in events) == sorted(keys)
    return events


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_given_http_connections_that_are_cut_at_random_when_called_then_each_command_has_one_effect(
    house: House, seed: int
) -> None:
    rng = random.Random(seed)
    keys = [f"k{number}" for number in range(60)]
    async with wire_to(house.client.port, seed) as wire, Client(wire.url, token(), deadline_s=60) as me:
        await me.wallet()
        wire.bytes_max = 6_000
        commands = [rng.choice([("gacha.pull", {}), ("slot.spin", {"bet_amount": 100})]) for _ in keys]
        replies = await asyncio.gather(
            *(me.options(key=key).call(*command) for key, command in zip(keys, commands, strict=True))
        )

    assert wire.cuts > 5
    events = await require_once_each(house, keys, {"gacha.pulled", "slot.spun"})
    assert {reply.receipt.event_id for reply in replies} == {str(event.id) for event in events}


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("protocol", ["msgpack", "json"])
async def test_given_sockets_that_are_cut_at_random_when_called_then_each_command_has_one_effect(
    house: House, seed: int, protocol: Any
) -> None:
    keys = [f"k{number}" for number in range(200)]
    async with (
        wire_to(house.client.port, seed) as wire,
        Stream(wire.url, token(), protocol=protocol, deadline_s=60) as me,
    ):
        await me.greeted()
        wire.bytes_max = 40_000
        turns = asyncio.Semaphore(20)

        async def spin(key: str) -> str:
            async with turns:
                return (await me.options(key=key).spin(bet_amount=100)).receipt.event_id

        await wire.stop()
        replies = await asyncio.gather(*map(spin, keys))

    assert wire.connections > 3
    events = await require_once_each(house, keys, {"slot.spun"})
    assert set(replies) == {str(event.id) for event in events}


@pytest.mark.parametrize("kind", [Client, Stream])
async def test_given_a_full_second_when_called_then_the_call_waits_for_the_next_and_succeeds(
    server: Http, kind: type[Client] | type[Stream]
) -> None:
    async with kind(server.url, token(tier="STANDARD")) as me:
        played = await asyncio.gather(*(me.play(player_move="ROCK") for _ in range(8)))

    assert sorted(reply.receipt.nonce for reply in played) == list(range(1, 9))


@pytest.mark.parametrize("kind", [Client, Stream])
async def test_given_a_limit_that_ends_after_the_deadline_when_called_then_it_is_refused_at_once(
    server: Http, kind: type[Client] | type[Stream]
) -> None:
    async with kind(server.url, token(tier="STANDARD"), deadline_s=300) as me:
        for _ in range(3):
            await me.pull()
        with pytest.raises(CroupierRefused) as refused:
            await me.options(deadline_s=0.5).pull()

    assert refused.value.code == "DAILY_GACHA_LIMIT"
    assert refused.value.retry_after_s is not None
    assert refused.value.fields["limit"] == 3


@pytest.mark.parametrize(
    "first",
    [
        error("OUTCOME_UNKNOWN", 503, Retry_After="1"),
        error("DURABILITY_TIMEOUT", 503, Retry_After="1"),
        error("NOT_APPLIED", 503, Retry_After="0"),
        error("OVERLOADED", 503, Retry_After="0"),
        error("RATE_LIMITED", 429, Retry_After="0"),
        web.Response(status=503, text="no upstream"),
        "cut",
        "silence",
    ],
    ids=["unknown", "timeout", "not-applied", "overloaded", "limited", "proxy", "cut", "silence"],
)
async def test_given_a_failure_that_passes_when_called_then_it_is_repeated_under_the_same_key(
    first: Any,
) -> None:
    script = Script(first, first, web.json_response(PULLED))
    async with answering(script) as url, Client(url, "t", attempt_s=0.2) as me:
        assert (await me.pull()).balance == 1
        assert (await me.pull()).balance == 1

    assert len(script.keys) == 4
    assert script.keys[0] and script.keys[0] == script.keys[1] == script.keys[2] != script.keys[3]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422])
async def test_given_another_refusal_when_called_then_it_is_not_repeated(status: int) -> None:
    script = Script(error("SOME_CODE", status, Retry_After="0"))
    async with answering(script) as url, Client(url, "t") as me:
        with pytest.raises(CroupierRefused) as refused:
            await me.pull()

    assert (refused.value.code, refused.value.status, len(script.keys)) == ("SOME_CODE", status, 1)


@pytest.mark.parametrize(
    ("answers", "deadline_s", "may_have_run", "code"),
    [
        # Their end does not depend on how fast this machine is: what would have to wait for longer is raised at once.
        ([error("NOT_READY", 503, Retry_After="31")], 30, False, "NOT_READY"),
        ([error("NOT_READY", 503, Retry_After="100")], 30, False, "NOT_READY"),
        ([error("INTERNAL", 500)], 30, True, "INTERNAL"),
        ([error("OUTCOME_UNKNOWN", 503, Retry_After="1")], 0.4, True, "OUTCOME_UNKNOWN"),
        ([error("OUTCOME_UNKNOWN", 503, Retry_After="1"), "silence"], 0.4, True, "OUTCOME_UNKNOWN"),
        (["cut"], 0.4, True, ""),
        (["silence"], 0.4, True, ""),
    ],
    ids=["not-ready", "long", "internal", "unknown", "unknown-and-silence", "cut", "silence"],
)
async def test_given_a_failure_that_stays_when_the_time_is_over_then_the_error_says_whether_it_may_have_run(
    answers: list[Any], deadline_s: float, may_have_run: bool, code: str
) -> None:
    script = Script(*answers)
    async with answering(script) as url, Client(url, "t", deadline_s=deadline_s) as me:
        with pytest.raises(CroupierUnavailable) as gone:
            await me.pull()
        with pytest.raises(CroupierUnavailable) as asked:
            await me.wallet()

    assert (gone.value.may_have_run, gone.value.code) == (may_have_run, code)
    assert gone.value.idempotency_key == script.keys[0]
    assert ("It may have been done" in str(gone.value)) is may_have_run
    assert ("within ten minutes (the server's IDEMPOTENCY_TTL_SECONDS)" in str(gone.value)) is may_have_run
    assert not asked.value.may_have_run


async def test_given_nobody_listening_when_called_then_the_error_says_that_nothing_was_done() -> None:
    async with Client("http://127.0.0.1:1", "t", deadline_s=0.3) as me:
        with pytest.raises(CroupierUnavailable, match="no connection") as gone:
            await me.pull()

    assert not gone.value.may_have_run
    assert gone.value.attempts > 1


async def test_given_an_action_that_must_not_be_repeated_when_its_answer_is_lost_then_it_is_not() -> None:
    script = Script("cut")
    async with answering(script) as url, Client(url, "t") as admin:
        with pytest.raises(CroupierUnavailable, match="look before you repeat") as gone:
            await admin.notify(user_id=42, title="Hello")

    assert gone.value.may_have_run
    assert script.keys == [None]


async def test_given_an_expired_token_when_called_then_another_is_asked_for_once_for_all(
    server: Http,
) -> None:
    given: list[str] = []

    async def source() -> str:
        given.append(token(ttl_s=3600 if given else -1))
        await asyncio.sleep(0)
        return given[-1]

    async with Client(server.url, source) as me:
        wallets = await asyncio.gather(*(me.wallet() for _ in range(20)))

    assert {wallet.user_id for wallet in wallets} == {42}
    assert len(given) == 2


async def test_given_tokens_that_are_all_refused_when_called_then_the_call_ends(server: Http) -> None:
    given: list[str] = []

    def source() -> str:
        given.append(f"bad{len(given)}")
        return given[-1]

    async with Client(server.url, source) as me:
        with pytest.raises(CroupierRefused, match="UNAUTHENTICATED"):
            await me.wallet()

    assert len(given) == 2


@pytest.mark.parametrize("kind", [Client, Stream])
async def test_given_a_source_of_tokens_that_fails_when_called_then_the_error_has_its_error_as_cause(
    server: Http, kind: type[Client] | type[Stream]
) -> None:
    def source() -> str:
        raise KeyError("no token today")

    with pytest.raises(CroupierUnavailable) as failed:
        async with kind(server.url, source, deadline_s=0.2) as me:
            await me.pull()

    assert not failed.value.may_have_run
    assert "no access token: KeyError" in str(failed.value)
    assert isinstance(failed.value.__cause__, KeyError)


@pytest.mark.parametrize(
    "answer",
    [
        web.Response(text="<html>"),
        web.Response(body=b"\xff\xfe"),
        web.json_response([]),
        web.json_response({"user_id": "42"}),
        web.Response(body=b"[" * 5000),
        web.Response(body=b"x" * 5000),
    ],
    ids=["html", "bytes", "list", "other-type", "nested", "large"],
)
async def test_given_an_answer_that_is_none_when_called_then_the_error_says_so(answer: web.Response) -> None:
    async with answering(Script(answer)) as url, Client(url, "t", reply_bytes_max=4000) as me:
        with pytest.raises(CroupierProtocolError):
            await me.wallet()
        with pytest.raises(CroupierProtocolError) as failed:
            await me.pull()

    assert failed.value.idempotency_key


@pytest.mark.parametrize("kind", [Client, Stream])
@pytest.mark.parametrize("deadline_s", [300.1, float("inf"), float("nan")])
async def test_given_a_deadline_beyond_which_keys_may_be_forgotten_when_given_then_it_is_refused(
    kind: type[Client] | type[Stream], deadline_s: float
) -> None:
    with pytest.raises(ValueError, match="at most 300"):
        kind("http://127.0.0.1:1", "t", deadline_s=deadline_s)
    with pytest.raises(ValueError, match="at most 300"):
        kind("http://127.0.0.1:1", "t").options(deadline_s=deadline_s)


@pytest.mark.parametrize("sent", [False, True])
def test_given_an_attempt_that_is_lost_when_the_first_is_300_seconds_old_then_no_other_follows(
    sent: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    patience = Patience(operation_of("slot.spin"), "a-key", 300)
    began_s = monotonic()
    assert patience.after_loss("cut", sent=sent) < 1

    monkeypatch.setattr("croupier_client.retries.monotonic", lambda: began_s + 300)
    with pytest.raises(CroupierUnavailable) as gone:
        patience.after_loss("cut", sent=False)

    assert (gone.value.may_have_run, gone.value.attempts) == (sent, 2)


@pytest.mark.parametrize("status", [302, 404, 418])
async def test_given_an_error_that_is_not_croupier_s_when_called_then_it_is_told_as_such(status: int) -> None:
    answer = web.Response(status=status, text="nginx", headers={"Location": "http://127.0.0.1:1/"})
    async with answering(Script(answer)) as url, Client(url, "t") as me:
        with pytest.raises(CroupierRefused, match="proxy") as refused:
            await me.wallet()

    assert refused.value.code == f"HTTP_{status}"


async def test_given_a_reply_with_further_members_when_read_then_they_are_ignored() -> None:
    async with answering(Script(web.json_response({**WALLET, "diamonds": 9}))) as url, Client(url, "t") as me:
        assert (await me.wallet()).tokens == 5
