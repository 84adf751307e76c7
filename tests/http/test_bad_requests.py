"""Whatever a client may send wrongly: its status, its code, its details; and nothing changes."""

from typing import Any

import pytest

from tests.http.support import PULL, Client, assert_is_error, dump

COUNT = {"field": "count", "allowed": [1, 10]}
BANNER = {"field": "banner", "allowed": "a string that matches ^[a-z0-9_-]{1,32}$"}
MEMBERS = ["banner", "count", "use_premium_currency"]


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"count": 1',
        b'{"count": 1,}',
        b"{'count': 1}",
        b'{"count": 1} {"count": 1}',
        b'{"count": NaN}',
        b'{"count": Infinity}',
        b'{"count": -Infinity}',
        b'{"count": 01}',
        b"\xff\xfe",
        b'{"banner": "\xff"}',
        b'{"banner": "\\ud800"}',
        b'{"\\udc00": 1}',
        b"count=1",
        b"[" * 60_000,
        b'{"a":' * 10_000,
        b"[" * 5_000 + b"]" * 5_000,
        b'{"count": ' + b"[" * 5_000 + b"]" * 5_000 + b"}",
        b"\x00",
        b" ",
    ],
    ids=lambda body: repr(body[:24]),
)
async def test_given_a_body_that_is_no_json_when_sent_then_400_and_nothing_changes(
    client: Client, redis_url: str, body: bytes
) -> None:
    state = dump(redis_url)

    reply = await client.post(PULL, body)

    assert_is_error(reply, 400, "MALFORMED_REQUEST")
    assert dump(redis_url) == state


@pytest.mark.parametrize(
    ("body", "details"),
    [
        (b'{"count": 2}', {**COUNT, "received": 2}),
        (b'{"pullCount": 2}', {**COUNT, "received": 2}),
        (b'{"count": "1"}', {**COUNT, "received": "1"}),
        (b'{"count": 1.0}', {**COUNT, "received": 1.0}),
        (b'{"count": 1.5}', {**COUNT, "received": 1.5}),
        (b'{"count": true}', {**COUNT, "received": True}),
        (b'{"count": null}', {**COUNT, "received": None}),
        (b'{"count": [1]}', {**COUNT, "received": "[1]"}),
        (b'{"count": {"count": 1}}', {**COUNT, "received": '{"count": 1}'}),
        (b'{"count": -1}', {**COUNT, "received": -1}),
        (b'{"count": -0}', {**COUNT, "received": 0}),
        (b'{"count": 9223372036854775808}', {**COUNT, "received": "9223372036854775808"}),
        (b'{"count": 1e400}', {**COUNT, "received": "1e400"}),
        (b'{"count": -1e400}', {**COUNT, "received": "-1e400"}),
        (b'{"count": 1e2}', {**COUNT, "received": 100.0}),
        (b'{"count": ' + b"9" * 5_000 + b"}", {**COUNT, "received": "9" * 64 + "…"}),
        (b'{"count": 1, "count": 10}', {"field": "count", "received": None}),
        (b'{"count": 1, "\\u0063ount": 10}', {"field": "count", "received": None}),
        (b'{"count": 1, "pullCount": 1}', {**COUNT, "received": 1}),
        (b'{"pullCount": 1, "count": 1}', {**COUNT, "received": 1}),
        (b'{"banner": "Standard"}', {**BANNER, "received": "Standard"}),
        (b'{"banner": "standard\\n"}', {**BANNER, "received": "standard\n"}),
        (b'{"banner": ""}', {**BANNER, "received": ""}),
        (b'{"banner": 7}', {**BANNER, "received": 7}),
        (b'{"banner": 1e400}', {**BANNER, "received": "1e400"}),
        (b'{"banner": [[1], 1e400]}', {**BANNER, "received": "1e400"}),
        (b'{"banner": "' + b"x" * 60_000 + b'"}', {**BANNER, "received": "x" * 64 + "…"}),
        (b'{"use_premium_currency": 1}', {"field": "use_premium_currency", "allowed": "true or false"}),
        (b'{"counts": 1}', {"field": "counts", "allowed": MEMBERS, "received": 1}),
        (b'{"__proto__": {}}', {"field": "__proto__", "allowed": MEMBERS}),
        (b'{"' + b"x" * 60_000 + b'": 1}', {"field": "x" * 64 + "…", "allowed": MEMBERS}),
        (b"[]", {"field": "", "allowed": "an object", "received": "[]"}),
        (b"null", {"field": "", "allowed": "an object", "received": None}),
        (b'"count"', {"field": "", "allowed": "an object", "received": "count"}),
        (b"1e400", {"field": "", "allowed": "an object"}),
    ],
    ids=lambda value: repr(value[:32]) if isinstance(value, bytes) else "",
)
async def test_given_a_body_that_breaks_the_schema_when_sent_then_422_names_the_field_and_nothing_changes(
    client: Client, redis_url: str, body: bytes, details: dict[str, Any]
) -> None:
    state = dump(redis_url)

    reply = await client.post(PULL, body)

    answered = assert_is_error(reply, 422, "VALIDATION_ERROR")
    assert {name: answered["details"][name] for name in details} == details
    assert len(reply.body) < 2_000
    assert dump(redis_url) == state


async def test_given_a_banner_that_there_is_not_when_pulling_then_404_and_nothing_changes(
    client: Client, redis_url: str
) -> None:
    state = dump(redis_url)

    reply = await client.post(PULL, {"banner": "none-such"})

    assert_is_error(reply, 404, "BANNER_NOT_FOUND")
    assert dump(redis_url) == state


async def test_given_a_banner_without_a_price_in_gems_when_paying_in_gems_then_422(client: Client) -> None:
    banners = (await client.get("/api/games/gacha/banners")).json["items"]
    name = next(banner["name"] for banner in banners if banner["cost_gems"] is None)

    reply = await client.post(PULL, {"banner": name, "use_premium_currency": True})

    assert_is_error(reply, 422, "PREMIUM_NOT_AVAILABLE")


@pytest.mark.parametrize(
    "media_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonp",
        "application/json; charset=latin-1",
        "",
    ],
)
async def test_given_another_media_type_when_sent_then_415_and_nothing_changes(
    client: Client, redis_url: str, media_type: str
) -> None:
    state = dump(redis_url)

    reply = await client.request("POST", PULL, body=b'{"count": 1}', headers={"Content-Type": media_type})

    assert_is_error(reply, 415, "UNSUPPORTED_MEDIA_TYPE")
    assert dump(redis_url) == state


@pytest.mark.parametrize(
    "media_type", ["application/json; charset=utf-8", 'Application/JSON;charset="UTF-8"', "application/json;"]
)
async def test_given_json_with_parameters_when_sent_then_it_is_read(client: Client, media_type: str) -> None:
    reply = await client.request("POST", PULL, body=b'{"count": 1}', headers={"Content-Type": media_type})

    assert reply.status == 200


async def test_given_a_compressed_body_when_sent_then_415(client: Client) -> None:
    reply = await client.post(PULL, b"\x1f\x8b", headers={"Content-Encoding": "gzip"})

    assert_is_error(reply, 415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize("size", [64 * 1024 + 1, 1024 * 1024])
async def test_given_a_body_too_large_when_sent_then_413_and_nothing_changes(
    client: Client, redis_url: str, size: int
) -> None:
    state = dump(redis_url)

    reply = await client.post(PULL, b'{"count": 1}'.ljust(size))

    assert_is_error(reply, 413, "PAYLOAD_TOO_LARGE")
    assert dump(redis_url) == state


async def test_given_the_largest_body_when_sent_then_it_is_read(client: Client) -> None:
    reply = await client.post(PULL, b'{"count": 1}'.ljust(64 * 1024))

    assert reply.status == 200


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("banner=standard&banner=standard", "banner"),
        ("banner=UPPER", "banner"),
        ("economy=xyz", "economy"),
        ("colour=red", "colour"),
        ("banner=%FF", "banner"),
    ],
)
async def test_given_parameters_that_break_the_schema_when_asking_then_422_names_the_field(
    client: Client, query: str, field: str
) -> None:
    reply = await client.get(f"/api/games/gacha/odds?{query}")

    assert assert_is_error(reply, 422, "VALIDATION_ERROR")["details"]["field"] == field
