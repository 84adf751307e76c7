"""`POST /api/actions`: what is taken, what is refused, and with which explanation."""

from typing import Any

import msgspec
import pytest

from tests.http.support import Client, assert_is_error, dump
from tests.ws.support import MSGPACK, connected

ACTIONS = "/api/actions"


async def test_given_an_action_when_reported_then_the_reply_has_it_and_a_receipt(client: Client) -> None:
    data = {"sku": "gems-small", "seen": ["a", "b"], "price": {"cents": 499}}

    reply = await client.post(ACTIONS, {"actionType": "buy_click", "actionData": data})

    assert reply.status == 200 and reply.headers["Op-Id"]
    assert reply.json["action_type"] == "buy_click" and reply.json["action_data"] == data
    assert reply.json["receipt"]["event_id"].startswith("0-1-")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{}", "action_type"),
        (b'{"action_type": "Open"}', "action_type"),
        (b'{"action_type": "a", "action_data": []}', "action_data"),
        (b'{"action_type": "a", "action_data": null}', "action_data"),
        (b'{"action_type": "a", "action_data": {"a": {"b": {"c": {"d": {}}}}}}', "action_data"),
        (b'{"action_type": "a", "action_data": {"a": 9007199254740992}}', "action_data"),
        (b'{"action_type": "a", "action_data": {"a": 99999999999999999999999}}', "action_data"),
        (b'{"action_type": "a", "action_data": {"a": 1e400}}', "a"),
        (b'{"action_type": "a", "action_data": {"a": [[1e400]]}}', "action_data"),
        (b'{"action_type": "a", "action_data": {"t": "' + b"x" * 2_048 + b'"}}', "action_data"),
        (b'{"action_type": "a", "action_data": {"t": {"x": 1, "x": 2}}}', "x"),
        (b'{"action_type": "a", "action_data": {}, "action_data": {}}', "action_data"),
        (b'{"action_type": "a", "more": 1}', "more"),
    ],
    ids=lambda value: repr(value)[:60],
)
async def test_given_what_no_action_may_be_when_sent_then_422_names_the_field_and_nothing_changes(
    client: Client, redis_url: str, body: bytes, field: str
) -> None:
    state = dump(redis_url)

    reply = await client.post(ACTIONS, body)

    assert_is_error(reply, 422, "VALIDATION_ERROR")
    assert reply.json["details"]["field"] == field
    assert dump(redis_url) == state


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "01", "1."])
async def test_given_data_that_is_no_json_when_sent_then_400(client: Client, number: str) -> None:
    reply = await client.post(ACTIONS, f'{{"action_type": "a", "action_data": {{"a": {number}}}}}'.encode())

    assert_is_error(reply, 400, "MALFORMED_REQUEST")


async def test_given_a_socket_when_actions_are_sent_then_they_are_recorded_and_bad_ones_refused(
    client: Client,
) -> None:
    packed = msgspec.msgpack.encode

    def arguments(data: bytes) -> bytes:
        return b"\x82" + packed("action_type") + packed("a") + packed("action_data") + data

    twice = b"\x81" + packed("in") + b"\x82" + 2 * (packed("x") + packed(1))
    cases = {
        arguments(packed({"b": [1, {"c": None}]})): 200,
        arguments(twice): 400,
        arguments(b"\x81" + packed("l") + b"\x91" + twice): 400,
        arguments(packed({"x": float("nan")})): 400,
        arguments(packed({"x": b"bytes"})): 400,
        arguments(packed({"x": 2**64 - 1})): 422,
        arguments(packed({"a": [[[[]]]]})): 422,
    }
    async with connected(client, protocol=MSGPACK) as socket:
        for sent, status in cases.items():
            await socket.ws.send_bytes(b"\x93\x01" + packed("actions.record") + sent)
            while not socket.replies:
                await socket.receive()
            reply: Any = socket.replies.pop()
            assert reply[1] == status, (sent, reply)
