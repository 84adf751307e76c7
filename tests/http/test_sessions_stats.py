"""Sessions and statistics over HTTP: routes, who may ask, and what is wrong with a request."""

import pytest

from croupier.registry import COMMANDS, QUERIES
from croupier_http.operations import PAGES, operation_id
from tests.http.support import PULL, Client, assert_is_error, token

START, END = "/api/games/session/start", "/api/games/session/end"


async def test_given_a_session_when_played_and_ended_then_its_result_data_says_so_and_again(
    client: Client,
) -> None:
    opened = await client.post(START, {"gameType": "gacha"})
    assert opened.status == 200 and opened.json["session_id"].startswith("gacha-")
    assert (await client.post(START, {"game_type": "gacha"})).json == opened.json | {"receipt": None}
    assert (await client.post(PULL)).status == 200

    first = await client.post(END, {"session_id": opened.json["session_id"]})
    again = await client.post(END, {"sessionId": opened.json["session_id"]})

    result = first.json["result_data"]
    assert set(result) == {"duration", "rounds", "total_bet", "total_win", "net", "roi", "game_result"}
    assert (result["rounds"], result["total_bet"], result["net"], result["roi"]) == (1, 5_000, -5_000, -1.0)
    assert result["game_result"] == "LOSE"
    assert again.body == first.body and again.headers["Idempotent-Replayed"] == "true"


async def test_given_ids_of_no_session_when_ended_then_404(client: Client) -> None:
    opened = await client.post(START, {"game_type": "rps"})

    for session_id in ("x", "gacha-" + 32 * "0", "", "rps-é"):
        assert_is_error(await client.post(END, {"session_id": session_id}), 404, "SESSION_NOT_FOUND")
    somebody = token(4_711)
    reply = await client.post(END, {"session_id": opened.json["session_id"]}, bearer=somebody)
    assert_is_error(reply, 404, "SESSION_NOT_FOUND")


@pytest.mark.parametrize("body", [{}, {"game_type": "poker"}, {"game_type": 1}, {"game_type": "rps", "x": 1}])
async def test_given_a_start_of_no_game_when_posted_then_422(client: Client, body: dict[str, object]) -> None:
    assert_is_error(await client.post(START, body), 422, "VALIDATION_ERROR")


async def test_given_the_gacha_when_its_statistics_are_asked_for_then_they_are_the_live_ones(
    client: Client,
) -> None:
    reply = await client.get("/api/games/gacha/stats")

    assert reply.status == 200 and "rarity_counts" in reply.json


async def test_given_statistics_when_they_are_not_ones_own_or_of_no_game_then_they_are_refused(
    client: Client,
) -> None:
    assert_is_error(await client.get("/api/games/stats/43"), 403, "FORBIDDEN")
    assert_is_error(await client.get("/api/games/poker/stats"), 422, "VALIDATION_ERROR")
    assert_is_error(await client.get("/api/games/stats/me"), 422, "VALIDATION_ERROR")


@pytest.mark.parametrize("path", ["/api/games/slot/stats", "/api/games/stats/42", "/api/profile/stats"])
async def test_given_a_server_without_postgres_when_statistics_are_asked_for_then_it_is_not_ready(
    client: Client, path: str
) -> None:
    assert_is_error(await client.get(path), 503, "NOT_READY")


def test_given_all_routes_when_named_then_no_two_operations_have_one_name() -> None:
    paths = [
        *(each.path for each in COMMANDS),
        *(each.path for each in QUERIES),
        *(each.path for each in PAGES),
    ]
    assert len({operation_id(path) for path in paths}) == len(paths)
