"""Commands over HTTP: replies, headers, aliases, idempotency."""

import asyncio
from typing import Any

import pytest

from tests.http.support import PULL, ROTATE, Client, assert_is_error, dump, token


async def test_given_a_new_player_when_pulling_then_the_reply_has_items_balance_and_receipt(
    client: Client,
) -> None:
    reply = await client.post(PULL, {"count": 1})

    assert reply.status == 200
    assert reply.headers["Content-Type"] == "application/json"
    body = reply.json
    assert len(body["items"]) == 1
    assert (body["cost_used"], body["balance"], body["daily_remaining"]) == (5_000, 95_000, 4)
    assert body["receipt"]["event_id"].startswith("0-1-")
    assert "Idempotent-Replayed" not in reply.headers


async def test_given_no_body_at_all_when_pulling_then_the_defaults_hold(client: Client) -> None:
    reply = await client.request("POST", PULL)

    assert reply.status == 200
    assert len(reply.json["items"]) == 1


@pytest.mark.parametrize(
    "body",
    [
        {"count": 10, "banner": "standard", "use_premium_currency": False},
        {"pullCount": 10, "banner": "standard", "usePremiumCurrency": False},
        {"count": 10, "usePremiumCurrency": False},
        b'{"\\u0063ount": 10}',
        b' {"count"\n:\t10 } ',
    ],
)
async def test_given_names_or_aliases_when_pulling_ten_then_ten_items_come(client: Client, body: Any) -> None:
    reply = await client.post(PULL, body)

    assert reply.status == 200
    assert len(reply.json["items"]) == 10


async def test_given_an_idempotency_key_when_repeated_then_the_reply_is_the_same_to_the_last_byte(
    client: Client, redis_url: str
) -> None:
    first = await client.post(PULL, {"count": 1}, key="a-key")
    state = dump(redis_url)
    second = await client.post(PULL, {"pullCount": 1, "banner": "standard"}, key="a-key")

    assert first.status == second.status == 200
    assert "Idempotent-Replayed" not in first.headers
    assert second.headers["Idempotent-Replayed"] == "true"
    assert second.body == first.body
    assert dump(redis_url) == state


async def test_given_one_key_when_sent_many_times_at_once_then_one_effect_and_identical_replies(
    client: Client,
) -> None:
    replies = await asyncio.gather(*(client.post(PULL, {"count": 1}, key="a-key") for _ in range(50)))

    assert {reply.status for reply in replies} == {200}
    assert len({reply.body for reply in replies}) == 1
    assert sum("Idempotent-Replayed" not in reply.headers for reply in replies) == 1
    assert (await client.get("/api/wallet")).json["tokens"] == 95_000


async def test_given_a_used_key_when_sent_with_another_body_then_refused_and_nothing_changes(
    client: Client, redis_url: str
) -> None:
    await client.post(PULL, {"count": 1}, key="a-key")
    state = dump(redis_url)

    reply = await client.post(PULL, {"count": 10}, key="a-key")

    assert_is_error(reply, 422, "IDEMPOTENCY_KEY_REUSED")
    assert dump(redis_url) == state


async def test_given_two_players_when_they_use_the_same_key_then_each_has_an_effect(client: Client) -> None:
    replies = [await client.post(PULL, key="a-key", bearer=token(uid)) for uid in (1, 2)]

    assert all("Idempotent-Replayed" not in reply.headers for reply in replies)


@pytest.mark.parametrize("key", ["", "two words", "x" * 256, "umlaut-ä", "tab\tkey"])
async def test_given_an_unusable_key_when_pulling_then_validation_error_and_nothing_changes(
    client: Client, redis_url: str, key: str
) -> None:
    state = dump(redis_url)

    reply = await client.post(PULL, {"count": 1}, key=key)

    details = assert_is_error(reply, 422, "VALIDATION_ERROR")["details"]
    assert details["field"] == "Idempotency-Key"
    assert dump(redis_url) == state


async def test_given_the_longest_key_when_pulling_then_it_is_taken(client: Client) -> None:
    key = "!~" * 127 + "x"
    first, second = [await client.post(PULL, key=key) for _ in range(2)]

    assert first.body == second.body


async def test_given_a_command_when_answered_or_refused_then_the_reply_names_the_attempt(
    client: Client,
) -> None:
    replies = [
        await client.post(PULL),
        await client.post(PULL),
        await client.post(PULL, {"banner": "none-such"}),
        await client.post(PULL, {"count": 3}),
    ]

    ids = [reply.headers["Op-Id"] for reply in replies]
    assert all(len(bytes.fromhex(op_id)) == 16 for op_id in ids)
    assert len(set(ids)) == len(ids)


async def test_given_the_daily_limit_when_reached_then_429_says_when_to_come_back(client: Client) -> None:
    bearer = token(tier="STANDARD")
    for _ in range(3):
        assert (await client.post(PULL, bearer=bearer)).status == 200

    reply = await client.post(PULL, bearer=bearer)

    body = assert_is_error(reply, 429, "DAILY_GACHA_LIMIT")
    assert (body["limit"], body["used"]) == (3, 3)
    assert body["resets_at"].endswith("T15:00:00Z")  # midnight in Seoul
    assert 1 <= int(reply.headers["Retry-After"]) <= 86_400


async def test_given_too_few_tokens_when_pulling_then_409_says_what_is_missing(client: Client) -> None:
    for _ in range(2):
        assert (await client.post(PULL, {"count": 10})).status == 200

    reply = await client.post(PULL, {"count": 1})

    body = assert_is_error(reply, 409, "INSUFFICIENT_BALANCE")
    assert (body["balance"], body["required"], body["currency"]) == (0, 5_000, "tokens")


async def test_given_a_rotation_when_done_then_the_commitment_shown_before_is_opened(client: Client) -> None:
    before = (await client.get("/api/fairness")).json

    reply = await client.post(ROTATE, {"clientSeed": "lucky"})

    assert reply.status == 200
    assert reply.json["revealed"]["commitment"] == before["commitment"]
    assert (await client.get("/api/fairness")).json["client_seed"] == "lucky"
