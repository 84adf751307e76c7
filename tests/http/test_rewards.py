"""Rewards over HTTP: one, a thousand at once, and the list of them."""

import asyncio
import json
from typing import Any

import pytest

from croupier_schemas.economy import BALANCE_MAX
from tests.http.support import PULL, WALLET, Client, assert_is_error, dump, parsed, token

DISTRIBUTE = "/api/rewards/distribute"
BULK = "/api/admin/rewards/grant-bulk"
ADMIN = token(900, role="admin")
GIFT = {
    "user_id": 42, "reward_type": "TOKENS", "amount": 5_000, "source_description": "Welcome gift", "key": "welcome",
}  # fmt: skip
REPEATS = "game_reward_idem_reject_total"


@pytest.fixture
async def client(client: Client) -> Client:
    """A client of a server on which the players 42, 43 and 44 exist."""
    for uid in (42, 43, 44):
        assert (await client.post(PULL, bearer=token(uid))).status == 200
    return client


async def tokens(client: Client, uid: int = 42) -> int:
    balance: int = (await client.get(WALLET, bearer=token(uid))).json["tokens"]
    return balance


async def metric(client: Client, name: str) -> float:
    """The sum of a counter over its labels."""
    lines = (await client.get("/metrics")).body.decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


def item(**changes: Any) -> dict[str, Any]:
    return GIFT | changes


# One.


async def test_given_an_admin_when_granting_then_the_player_has_it_and_a_repeat_is_equal_to_the_last_byte(
    client: Client,
) -> None:
    before, repeats = await tokens(client), await metric(client, REPEATS)

    first = await client.post(DISTRIBUTE, GIFT, bearer=ADMIN)
    again = await client.post(DISTRIBUTE, GIFT, bearer=token(901, role="admin"))

    assert first.status == again.status == 200
    assert first.json["balance"] == before + 5_000 == await tokens(client)
    assert first.json["receipt"]["event_id"].startswith("0-1-")
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.body == first.body
    assert await metric(client, REPEATS) == repeats + 1


async def test_given_aliases_and_a_key_in_the_header_when_granting_then_both_are_taken(
    client: Client,
) -> None:
    body = {"userId": 42, "rewardType": "GEMS", "amount": 1, "sourceDescription": "Späß 🎁"}

    first, again = [await client.post(DISTRIBUTE, body, key="header", bearer=ADMIN) for _ in range(2)]

    assert (first.status, first.json["key"]) == (200, "header")
    assert again.body == first.body


async def test_given_a_player_when_granting_then_forbidden_and_nothing_changes(
    client: Client, redis_url: str
) -> None:
    state = dump(redis_url)

    for path in (DISTRIBUTE, BULK):
        assert_is_error(await client.post(path, GIFT), 403, "FORBIDDEN")
        assert_is_error(await client.post(path, GIFT, bearer=""), 401, "UNAUTHENTICATED")

    assert dump(redis_url) == state


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"user_id": 0}, "user_id"),
        ({"user_id": "42"}, "user_id"),
        ({"reward_type": "CASH"}, "reward_type"),
        ({"amount": 0}, "amount"),
        ({"amount": -1}, "amount"),
        ({"amount": 1.5}, "amount"),
        ({"amount": BALANCE_MAX + 1}, "amount"),
        ({"amount": 2**70}, "amount"),
        ({"source_description": ""}, "source_description"),
        ({"source_description": "x" * 201}, "source_description"),
        ({"source_description": "a\0b"}, "source_description"),
        ({"source_description": "two\nlines"}, "source_description"),
        ({"key": ""}, "key"),
        ({"key": "x" * 201}, "key"),
        ({"key": "two words"}, "key"),
        ({"key": "line\n"}, "key"),
        ({"more": 1}, "more"),
    ],
)
async def test_given_a_wrong_member_when_granting_then_422_names_it_alone_and_in_a_batch(
    client: Client, redis_url: str, change: dict[str, Any], field: str
) -> None:
    state = dump(redis_url)

    body = assert_is_error(
        await client.post(DISTRIBUTE, item(**change), bearer=ADMIN), 422, "VALIDATION_ERROR"
    )
    batch = (await client.post(BULK, {"items": [item(**change)]}, bearer=ADMIN)).json

    assert body["details"]["field"] == field
    (result,) = batch["results"]
    assert (batch["success"], result["status"], result["error"]) == (False, "error", "VALIDATION_ERROR")
    assert field in result["message"]
    assert result["user_id"] == (42 if field != "user_id" else None)
    assert dump(redis_url) == state


@pytest.mark.parametrize("length", [1, 200])
async def test_given_texts_of_every_allowed_length_when_granting_then_they_are_taken(
    client: Client, length: int
) -> None:
    body = item(key="~" * length, source_description="ä" * length)

    assert (await client.post(DISTRIBUTE, body, bearer=ADMIN)).status == 200


async def test_given_an_unknown_player_when_granting_then_404(client: Client) -> None:
    reply = await client.post(DISTRIBUTE, item(user_id=7), bearer=ADMIN)

    assert_is_error(reply, 404, "PLAYER_NOT_FOUND")


# Many.


async def test_given_1000_items_with_every_kind_of_bad_one_when_granted_then_each_gets_its_own_answer_in_order(
    client: Client,
) -> None:
    bad: list[tuple[Any, str]] = [
        (item(key="b-0", user_id=7), "PLAYER_NOT_FOUND"),
        (item(key="b-1", amount=BALANCE_MAX), "BALANCE_CAP"),
        (item(key="b-2", amount=0), "VALIDATION_ERROR"),
        (item(key="b-3", reward_type="CASH"), "VALIDATION_ERROR"),
        (item(key="two words"), "VALIDATION_ERROR"),
        (item(key="b-5", user_id="42"), "VALIDATION_ERROR"),
        (item(key="b-6", more=1), "VALIDATION_ERROR"),
        (item(key="b-7", userId=42), "VALIDATION_ERROR"),
        ({}, "VALIDATION_ERROR"),
        ("x", "VALIDATION_ERROR"),
        (None, "VALIDATION_ERROR"),
        ([item()], "VALIDATION_ERROR"),
        (item(key="used", amount=2), "IDEMPOTENCY_KEY_REUSED"),
    ]
    await client.post(DISTRIBUTE, item(key="used", amount=1), bearer=ADMIN)
    items = [item(user_id=42 + number % 3, amount=1, key=f"k-{number}") for number in range(1_000)]
    expected = ["ok"] * 1_000
    for number, (each, code) in enumerate(bad):
        items[number * 70 + 5], expected[number * 70 + 5] = each, code
    before = [await tokens(client, uid) for uid in (42, 43, 44)]

    reply = await client.post(BULK, {"items": items}, bearer=ADMIN)

    assert reply.status == 200
    results = reply.json["results"]
    assert [each.get("error", each["status"]) for each in results] == expected
    assert reply.json["success"] is False
    for sent, result in zip(items, results, strict=True):
        if result["status"] == "ok":
            assert result["user_id"] == sent["user_id"]
            assert result["event_id"].startswith("0-1-") and "replayed" not in result
        else:
            assert result["message"] and "event_id" not in result
    granted = [sum(r["status"] == "ok" and r["user_id"] == uid for r in results) for uid in (42, 43, 44)]
    after = [await tokens(client, uid) for uid in (42, 43, 44)]
    assert [now - then for now, then in zip(after, before, strict=True)] == granted
    assert sum(granted) == 1_000 - len(bad)


async def test_given_1000_items_when_all_are_repeated_then_nothing_is_granted_twice_and_each_repeat_counts(
    client: Client, redis_url: str
) -> None:
    body = {"items": [item(amount=1, key=f"k-{number}") for number in range(1_000)]}
    first = await client.post(BULK, body, bearer=ADMIN)
    state, repeats = dump(redis_url), await metric(client, REPEATS)

    again = await client.post(BULK, body, bearer=ADMIN)

    assert first.json["success"] is again.json["success"] is True
    assert [each["event_id"] for each in again.json["results"]] == [
        each["event_id"] for each in first.json["results"]
    ]
    assert all(each["replayed"] for each in again.json["results"])
    assert dump(redis_url) == state
    assert await metric(client, REPEATS) == repeats + 1_000


async def test_given_a_key_in_the_header_when_the_batch_is_repeated_then_items_without_a_key_are_safe_too(
    client: Client,
) -> None:
    unkeyed = {name: value for name, value in GIFT.items() if name != "key"}
    body = {"items": [unkeyed, item(key="own"), unkeyed]}
    longest = "h" * 255
    before = await tokens(client)

    first, again = [await client.post(BULK, body, key=longest, bearer=ADMIN) for _ in range(2)]

    assert await tokens(client) == before + 3 * 5_000
    assert [each["event_id"] for each in first.json["results"]] == [
        each["event_id"] for each in again.json["results"]
    ]
    assert len({each["event_id"] for each in first.json["results"]}) == 3
    single = await client.post(DISTRIBUTE, item(key="own"), bearer=ADMIN)
    assert single.headers["Idempotent-Replayed"] == "true"


async def test_given_no_key_at_all_when_the_batch_is_repeated_then_it_is_granted_again(
    client: Client,
) -> None:
    body = {"items": [{name: value for name, value in GIFT.items() if name != "key"}]}
    before = await tokens(client)

    for _ in range(2):
        await client.post(BULK, body, bearer=ADMIN)

    assert await tokens(client) == before + 2 * 5_000


async def test_given_the_same_batch_many_times_at_once_when_granted_then_once(client: Client) -> None:
    body = {"items": [item(amount=1, key=f"k-{number % 10}") for number in range(100)]}
    before = await tokens(client)

    replies = await asyncio.gather(*(client.post(BULK, body, bearer=ADMIN) for _ in range(10)))

    assert all(reply.json["success"] for reply in replies)
    assert await tokens(client) == before + 10
    fresh = [r for reply in replies for r in reply.json["results"] if not r.get("replayed")]
    assert len(fresh) == 10


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"items": []}, 422, "VALIDATION_ERROR"),
        ({"items": [GIFT] * 1_001}, 422, "VALIDATION_ERROR"),
        ({"items": GIFT}, 422, "VALIDATION_ERROR"),
        ({}, 422, "VALIDATION_ERROR"),
        ({"items": [GIFT], "more": 1}, 422, "VALIDATION_ERROR"),
        ([GIFT], 422, "VALIDATION_ERROR"),
        (b'{"items": [{"amount": 1, "amount": 2}]}', 422, "VALIDATION_ERROR"),
        (b'{"items": [' + b"[" * 100_000, 400, "MALFORMED_REQUEST"),
        (b'{"items": [{"amount": NaN}]}', 400, "MALFORMED_REQUEST"),
        (b'{"items": [', 400, "MALFORMED_REQUEST"),
    ],
)
async def test_given_a_request_that_is_no_batch_when_sent_then_refused_as_a_whole(
    client: Client, redis_url: str, body: Any, status: int, code: str
) -> None:
    state = dump(redis_url)

    assert_is_error(await client.post(BULK, body, bearer=ADMIN), status, code)

    assert dump(redis_url) == state


async def test_given_1000_items_as_large_as_can_be_when_sent_then_they_fit_and_one_mebibyte_is_the_end(
    client: Client,
) -> None:
    items = [item(amount=1, source_description="x" * 200, key=f"{number:0200}") for number in range(1_000)]
    body = json.dumps({"items": items}).encode()
    assert 400_000 < len(body) < 1024 * 1024

    assert (await client.post(BULK, body, bearer=ADMIN)).json["success"] is True

    padded = body[:-1] + b" " * (1024 * 1024 - len(body)) + b"}"
    assert (await client.post(BULK, padded, bearer=ADMIN)).json["success"] is True
    head = [
        f"POST {BULK} HTTP/1.1", "Host: x", f"Authorization: Bearer {ADMIN}", "Content-Type: application/json",
        "Transfer-Encoding: chunked", "", f"{len(padded) + 1:x}", "",
    ]  # fmt: skip
    refused = await client.raw("\r\n".join(head).encode() + padded + b" \r\n0\r\n\r\n")
    assert_is_error(parsed(refused), 413, "PAYLOAD_TOO_LARGE")


async def test_given_a_large_body_of_a_player_when_sent_then_it_is_refused_before_it_is_read(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never_read(*_: object) -> bytes:
        raise AssertionError("the body was read")

    monkeypatch.setattr("croupier_http.batches.read_body", never_read)

    assert_is_error(await client.post(BULK, b" " * 1_000_000), 403, "FORBIDDEN")


async def test_given_a_large_body_when_sent_to_another_command_then_64_kib_are_still_the_end(
    client: Client,
) -> None:
    body = json.dumps(GIFT).encode() + b" " * 65_536

    assert_is_error(await client.post(DISTRIBUTE, body, bearer=ADMIN), 413, "PAYLOAD_TOO_LARGE")


# The list.


async def test_given_no_postgres_when_rewards_are_listed_then_not_ready_and_strangers_are_forbidden(
    client: Client,
) -> None:
    path = "/api/rewards/users/42/rewards"

    assert_is_error(await client.get(path), 503, "NOT_READY")
    assert_is_error(await client.get(path, bearer=ADMIN), 503, "NOT_READY")
    assert_is_error(await client.get(path, bearer=token(43)), 403, "FORBIDDEN")
    details = assert_is_error(await client.get("/api/rewards/users/x/rewards"), 422, "VALIDATION_ERROR")
    assert details["details"]["field"] == "id"


async def test_given_one_key_on_several_items_of_a_player_when_granted_then_the_first_one_counts(
    client: Client,
) -> None:
    items = [item(amount=amount, key="same") for amount in range(1, 31)]

    results = (await client.post(BULK, {"items": items}, bearer=ADMIN)).json["results"]

    assert [result["status"] for result in results] == ["ok"] + ["error"] * 29
    assert {result["error"] for result in results[1:]} == {"IDEMPOTENCY_KEY_REUSED"}
