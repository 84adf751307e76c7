"""The slot machine and rock, paper, scissors over HTTP: names, aliases, and what is no bet or no move."""

from typing import Any

import pytest

from tests.http.support import Client, assert_is_error, dump

SPIN = "/api/games/slot/spin"
PLAY = "/api/games/rps/play"
MOVES = ["PAPER", "ROCK", "SCISSORS"]
BALANCE_MAX = 999_999_999_999_999


@pytest.mark.parametrize("name", ["bet_amount", "betAmount"])
async def test_given_a_bet_by_name_or_alias_when_spun_then_the_reply_has_reels_lines_and_receipt(
    client: Client, name: str
) -> None:
    reply = await client.post(SPIN, {name: 200})

    assert reply.status == 200
    body = reply.json
    assert set(body) == {"reels", "lines", "payout", "balance", "receipt"}
    assert [len(reel) for reel in body["reels"]] == [3, 3, 3]
    assert all(set(line) == {"line", "symbol", "count", "payout"} for line in body["lines"])
    assert body["payout"] == sum(line["payout"] for line in body["lines"])
    assert body["balance"] == 99_800 + body["payout"]


@pytest.mark.parametrize(
    "body",
    [
        {"player_move": "PAPER", "bet_amount": 50},
        {"playerMove": "PAPER", "betAmount": 50},
        {"player_move": "PAPER", "betAmount": 50},
    ],
)
async def test_given_names_or_aliases_when_playing_then_the_reply_has_both_moves_and_a_receipt(
    client: Client, body: Any
) -> None:
    reply = await client.post(PLAY, body)

    assert reply.status == 200
    played = reply.json
    assert set(played) == {
        "player_move", "server_move", "outcome", "deterministic", "payout", "balance", "receipt",
    }  # fmt: skip
    payouts = {"WIN": 97, "DRAW": 50, "LOSE": 0}
    assert played["player_move"] == "PAPER" and played["server_move"] in MOVES
    assert played["payout"] == payouts[played["outcome"]] == played["balance"] - 99_950
    assert played["deterministic"] is False


async def test_given_no_bet_when_playing_then_it_is_for_nothing(client: Client) -> None:
    reply = await client.post(PLAY, {"player_move": "ROCK"})

    assert (reply.status, reply.json["payout"], reply.json["balance"]) == (200, 0, 100_000)


async def test_given_an_idempotency_key_when_repeated_by_alias_then_the_reply_is_the_same_to_the_last_byte(
    client: Client, redis_url: str
) -> None:
    first = await client.post(SPIN, {"bet_amount": 200}, key="a-key")
    state = dump(redis_url)
    second = await client.post(SPIN, {"betAmount": 200}, key="a-key")

    assert second.headers["Idempotent-Replayed"] == "true"
    assert (second.status, second.body) == (200, first.body)
    assert dump(redis_url) == state


@pytest.mark.parametrize(
    ("path", "body", "details"),
    [
        (PLAY, {"player_move": "LIZARD"}, {"field": "player_move", "allowed": MOVES, "received": "LIZARD"}),
        (PLAY, {"playerMove": "rock"}, {"field": "player_move", "allowed": MOVES, "received": "rock"}),
        (PLAY, {"player_move": 0}, {"field": "player_move", "allowed": MOVES, "received": 0}),
        (PLAY, {}, {"field": "player_move"}),
        (PLAY, {"player_move": "ROCK", "bet_amount": -1}, {"field": "bet_amount", "received": -1}),
        (PLAY, {"player_move": "ROCK", "betAmount": 1, "bet_amount": 1}, {"field": "bet_amount"}),
        (SPIN, {}, {"field": "bet_amount"}),
        (SPIN, {"betAmount": "100"}, {"field": "bet_amount", "received": "100"}),
        (SPIN, {"bet_amount": 100.5}, {"field": "bet_amount", "received": 100.5}),
        (SPIN, {"bet_amount": BALANCE_MAX + 1}, {"field": "bet_amount", "received": BALANCE_MAX + 1}),
        (SPIN, {"bet_amount": 2**64}, {"field": "bet_amount"}),
        (SPIN, {"bet_amount": 100, "lines": 1}, {"field": "lines", "allowed": ["bet_amount"]}),
    ],
)
async def test_given_a_body_that_breaks_the_schema_when_sent_then_422_names_the_field_and_nothing_changes(
    client: Client, redis_url: str, path: str, body: Any, details: dict[str, Any]
) -> None:
    state = dump(redis_url)

    reply = await client.post(path, body)

    answered = assert_is_error(reply, 422, "VALIDATION_ERROR")
    assert {name: answered["details"][name] for name in details} == details
    assert dump(redis_url) == state


@pytest.mark.parametrize("bet", [0, 50, 150, 100_100, BALANCE_MAX])
async def test_given_a_bet_that_the_machine_does_not_take_when_sent_then_422_says_which_it_takes(
    client: Client, bet: int
) -> None:
    reply = await client.post(SPIN, {"bet_amount": bet})

    body = assert_is_error(reply, 422, "BET_OUT_OF_RANGE")
    assert (body["min"], body["max"], body["step"]) == (100, 100_000, 100)
