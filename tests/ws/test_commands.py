"""Commands over a WebSocket: what they answer is what HTTP answers."""

import asyncio
import json
from typing import Any

import pytest

from croupier_http.ws.channel import IN_FLIGHT_MAX
from tests.http.support import PULL, ROTATE, Client, token
from tests.http.test_pages import samples
from tests.ws.support import JSON, MSGPACK, connected

BOTH = pytest.mark.parametrize("protocol", [JSON, MSGPACK])
COMMANDS: list[tuple[str, str, dict[str, Any]]] = [
    ("gacha.pull", PULL, {"pullCount": 10}),
    ("slot.spin", "/api/games/slot/spin", {"bet_amount": 100}),
    ("rps.play", "/api/games/rps/play", {"player_move": "ROCK", "betAmount": 10}),
    ("crash.bet", "/api/games/crash/bet", {"bet_amount": 10, "auto_cashout": 900.5}),
    ("session.start", "/api/games/session/start", {"game_type": "slot"}),
]


@BOTH
@pytest.mark.parametrize(("name", "path", "arguments"), COMMANDS)
async def test_given_a_command_over_http_when_repeated_over_a_socket_then_the_replies_are_equal(
    client: Client, name: str, path: str, arguments: dict[str, Any], protocol: str
) -> None:
    first = await client.post(path, arguments, key="a-key")
    assert first.status == 200

    async with connected(client, protocol=protocol) as socket:
        reply = await socket.command(name, arguments, "a-key")

    assert reply[1:] == [200, first.json, {"replayed": True}]


@BOTH
async def test_given_a_command_over_a_socket_when_repeated_over_http_then_the_body_is_the_same(
    client: Client, protocol: str
) -> None:
    async with connected(client, protocol=protocol) as socket:
        first = await socket.command("gacha.pull", {"count": 1}, "a-key")
    again = await client.post(PULL, {"count": 1}, key="a-key")

    assert first[1] == 200
    assert len(first) == 3
    assert again.json == first[2]
    assert again.headers["Idempotent-Replayed"] == "true"


async def test_given_a_replay_over_json_when_compared_then_it_is_http_s_body_to_the_last_byte(
    client: Client,
) -> None:
    first = await client.post(PULL, {"count": 10}, key="a-key")
    async with connected(client) as socket:
        await socket.push("hello")
        await socket.send([7, "gacha.pull", {"count": 10}, "a-key"])
        text = await socket.ws.receive_str()

    assert text == "[7,200," + first.body.decode() + ',{"replayed":true}]'


@BOTH
async def test_given_a_round_of_each_game_when_played_over_a_socket_then_all_of_it_works(
    client: Client, protocol: str
) -> None:
    async with connected(client, protocol=protocol) as socket:
        bet = await socket.command("crash.bet", {"bet_amount": 100})
        blocked = await socket.command("fairness.rotate", {})
        cashed = await socket.command("crash.cashout", {"game_id": bet[2]["game_id"]})
        session = await socket.command("session.start", {"game_type": "rps"})
        await socket.command("rps.play", {"player_move": "PAPER"})
        ended = await socket.command("session.end", {"session_id": session[2]["session_id"]})
        rotated = await socket.command("fairness.rotate", {"client_seed": "mine"})
        again = await client.post(ROTATE, {"client_seed": "mine"})

    assert (bet[1], cashed[1], ended[1], rotated[1], again.status) == (200, 200, 200, 200, 200)
    assert (blocked[1], blocked[2]["code"]) == (409, "CRASH_BET_ACTIVE")
    assert ended[2]["result_data"]["rounds"] == 1
    assert rotated[2]["commitment"] == again.json["revealed"]["commitment"]
    assert isinstance(session[2]["started_at"], str)


@BOTH
async def test_given_a_refusal_when_answered_then_it_is_http_s_with_the_headers_beside_it(
    client: Client, protocol: str
) -> None:
    async with connected(client, protocol=protocol, bearer=token(tier="STANDARD")) as socket:
        refused = [(await socket.command("gacha.pull", {})) for _ in range(4)][-1]
    over_http = await client.post(PULL, {}, bearer=token(tier="STANDARD"))

    assert over_http.status == refused[1] == 429
    body, facts = refused[2], refused[3]
    expected = over_http.json
    assert body == expected | {"request_id": body["request_id"]}
    assert body["detail"] == "DAILY_GACHA_LIMIT"
    assert facts["op_id"] == body["request_id"]
    assert abs(facts["retry_after"] - int(over_http.headers["Retry-After"])) <= 1


@BOTH
@pytest.mark.parametrize(
    ("name", "arguments", "status", "code", "field"),
    [
        ("gacha.pull", {"count": 3}, 422, "VALIDATION_ERROR", "count"),
        ("gacha.pull", {"count": 1, "pullCount": 1}, 422, "VALIDATION_ERROR", "count"),
        ("gacha.pull", {"nonsense": 1}, 422, "VALIDATION_ERROR", "nonsense"),
        ("gacha.pull", [], 422, "VALIDATION_ERROR", ""),
        ("gacha.pull", None, 422, "VALIDATION_ERROR", ""),
        ("slot.spin", {"bet_amount": 2**63}, 422, "VALIDATION_ERROR", "bet_amount"),
        ("slot.spin", {"bet_amount": "100"}, 422, "VALIDATION_ERROR", "bet_amount"),
        ("slot.spin", {"bet_amount": 7}, 422, "BET_OUT_OF_RANGE", None),
        ("rewards.distribute", {}, 403, "FORBIDDEN", None),
        ("crash.settle", {}, 404, "NOT_FOUND", None),
        ("no.such", {}, 404, "NOT_FOUND", None),
    ],
)
async def test_given_arguments_that_are_wrong_when_sent_then_the_reply_says_so_as_http_does(
    client: Client, protocol: str, name: str, arguments: Any, status: int, code: str, field: str | None
) -> None:
    async with connected(client, protocol=protocol) as socket:
        await socket.send(["an-id", name, arguments])
        while not socket.replies:
            await socket.receive()
        reply = socket.replies[0]

    assert (reply[0], reply[1], reply[2]["code"]) == ("an-id", status, code)
    if field is not None:
        assert reply[2]["details"]["field"] == field


@BOTH
@pytest.mark.parametrize("size", [8, 100, 3 * IN_FLIGHT_MAX])
async def test_given_a_frame_of_many_commands_when_sent_then_each_is_answered_once(
    client: Client, protocol: str, size: int
) -> None:
    async with connected(client, protocol=protocol) as socket:
        calls = [[number, "gacha.pull", {}, f"k{number % 4}"] for number in range(size)]
        replies = await socket.ask(*calls)

    # Four keys, so four effects at most; the daily limit of VIP is five.
    assert [reply[0] for reply in replies] == list(range(size))
    assert sum(reply[1] == 200 and len(reply) == 3 for reply in replies) == 4
    by_key = {number: [reply[2] for reply in replies[number::4] if reply[1] == 200] for number in range(4)}
    assert all(len({json.dumps(body) for body in bodies}) == 1 for bodies in by_key.values())


async def test_given_one_key_on_two_sockets_and_http_when_sent_at_once_then_one_effect(
    client: Client,
) -> None:
    async with connected(client) as one, connected(client, protocol=MSGPACK) as other:
        replies = await asyncio.gather(
            one.ask(*[[n, "gacha.pull", {}, "k"] for n in range(20)]),
            other.ask(*[[n, "gacha.pull", {}, "k"] for n in range(20)]),
            client.post(PULL, {}, key="k"),
        )

    bodies = [reply[2] for each in replies[:2] for reply in each] + [replies[2].json]
    assert len({json.dumps(body) for body in bodies}) == 1
    assert (await client.get("/api/wallet")).json["tokens"] == 95_000


@pytest.mark.parametrize("key", ["", " ", "\u00e9", "x" * 256])
async def test_given_a_key_of_another_form_when_sent_then_it_is_refused(client: Client, key: str) -> None:
    async with connected(client) as socket:
        reply = await socket.command("gacha.pull", {}, key)

    assert (reply[1], reply[2]["code"]) == (422, "VALIDATION_ERROR")


@BOTH
async def test_given_a_ping_when_sent_then_the_time_comes_back(client: Client, protocol: str) -> None:
    async with connected(client, protocol=protocol) as socket:
        reply = await socket.command("ping")

    assert reply[1] == 200
    assert reply[2]["time_ms"] > 1_700_000_000_000


async def test_given_commands_over_both_ways_when_counted_then_the_metrics_have_all(client: Client) -> None:
    def counted(metrics: dict[str, float], name: str) -> float:
        return metrics.get(name, 0.0)

    before = samples((await client.get("/metrics", bearer="")).body)
    await client.post("/api/games/slot/spin", {"bet_amount": 100})
    async with connected(client) as socket:
        await socket.push("hello")
        await socket.ask([1, "slot.spin", {"bet_amount": 100}], [2, "slot.spin", {"bet_amount": 100}])
        after = samples((await client.get("/metrics", bearer="")).body)

    for name, difference in {
        'game_commands_total{command="slot.spin",outcome="ok"}': 3,
        'websocket_frames_total{direction="in",kind="player"}': 1,
        'websocket_connections{kind="player"}': 1,
        'http_requests_total{operation="games_ws_v1",status="101"}': 1,
    }.items():
        assert counted(after, name) - counted(before, name) == difference, name
    assert counted(after, "http_requests_in_flight") <= 1
