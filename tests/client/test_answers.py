"""What stands beside a reply: whether it is a replay, whether a limit was only tried out, and the attempt's id."""

from typing import Any

import pytest
from aiohttp import web

from croupier_client import Answer, Client, CroupierRefused, CroupierUnavailable, Stream
from croupier_client.methods import Answers, CommandMethods
from croupier_schemas.slot import SlotSpinReply
from tests.client.sockets import SPUN, numbers, talking
from tests.client.test_commands import WAYS, player
from tests.http.support import Client as Http
from tests.http.support import token


def test_given_the_commands_then_each_has_its_method_with_all_of_the_answer() -> None:
    commands = {name for name, member in vars(CommandMethods).items() if callable(member)}

    assert commands == {
        name for name in vars(Answers) if not name.startswith("_") and name not in ("ask", "call")
    }


@WAYS
async def test_given_a_key_that_was_used_when_repeated_then_the_answer_says_that_it_is_a_replay(
    server: Http, way: str
) -> None:
    async with player(way, server.url) as me:
        first: Answer[SlotSpinReply] = await me.options(key="k").answers.spin(bet_amount=100)
        again = await me.options(key="k").answers.call("slot.spin", {"bet_amount": 100})
        other = await me.answers.spin(100)

    assert (first.replayed, again.replayed, other.replayed) == (False, True, False)
    assert again.reply == first.reply
    assert other.reply.receipt.nonce == first.reply.receipt.nonce + 1
    assert not first.would_be_limited


async def test_given_attempts_over_http_when_answered_or_refused_then_each_has_an_id_of_its_own(
    server: Http,
) -> None:
    async with Client(server.url, token()) as me:
        ids = [(await me.options(key="k").answers.spin(bet_amount=100)).op_id for _ in range(2)]
        with pytest.raises(CroupierRefused) as refused:
            await me.spin(bet_amount=7)
        bet = await me.answers.bet(bet_amount=100)
        with pytest.raises(CroupierRefused) as query:
            await me.receipt("none")

    ids += [refused.value.op_id, bet.op_id]
    assert all(len(each) == 32 for each in ids)
    assert len(set(ids)) == 4
    assert bet.op_id == bet.reply.game_id
    assert query.value.op_id == ""


async def test_given_a_refusal_over_a_socket_when_raised_then_it_has_the_attempt_s_id(server: Http) -> None:
    async with Stream(server.url, token()) as me:
        with pytest.raises(CroupierRefused) as refused:
            await me.spin(bet_amount=7)

    assert len(refused.value.op_id) == 32
    assert refused.value.op_id == refused.value.request_id


async def test_given_an_unknown_outcome_when_the_time_is_over_then_the_error_has_the_last_attempt_s_id() -> (
    None
):
    body = {"code": "OUTCOME_UNKNOWN", "message": "Who knows.", "request_id": "r"}

    async with (
        talking(lambda socket, _: _answer_all(socket, 503, body, {"op_id": "0" * 32})) as url,
        Stream(url, "t", protocol="json", deadline_s=0.3) as me,
    ):
        with pytest.raises(CroupierUnavailable) as unknown:
            await me.spin(bet_amount=100)

    assert (unknown.value.op_id, unknown.value.code) == ("0" * 32, "OUTCOME_UNKNOWN")
    assert unknown.value.may_have_run


async def test_given_limits_that_are_tried_out_when_one_would_refuse_then_the_answer_says_so() -> None:
    async with (
        talking(lambda socket, _: _answer_all(socket, 200, SPUN, {"rate_limit_sim": "blocked"})) as url,
        Stream(url, "t", protocol="json") as me,
    ):
        answer = await me.answers.spin(bet_amount=100)

    assert answer.would_be_limited
    assert not answer.replayed


async def _answer_all(
    socket: web.WebSocketResponse, status: int, body: dict[str, Any], facts: dict[str, str]
) -> None:
    async for number in numbers(socket):
        await socket.send_json([number, status, body, facts])
