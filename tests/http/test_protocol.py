"""HTTP itself: addresses, methods, request ids, what is not HTTP, slow clients."""

import asyncio
import re
from functools import partial
from typing import Any

import pytest

from croupier_http.build import build_app
from tests.http.support import (
    PULL,
    WALLET,
    Client,
    assert_is_error,
    dump,
    parsed,
    pull_head,
    read_reply,
    running,
    settings_for,
    token,
)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/nope",
        PULL + "/",
        "/api",
        "/api/games/gacha/PULL",
        "/api/fairness/receipts/",
        "//health",
        "/%2e%2e",
    ],
)
async def test_given_an_unknown_address_when_asked_then_404(client: Client, path: str) -> None:
    assert_is_error(await client.get(path), 404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", PULL, "POST"),
        ("DELETE", PULL, "POST"),
        ("OPTIONS", PULL, "POST"),
        ("POST", WALLET, "GET, HEAD"),
        ("PATCH", "/api/fairness/receipts/0-1-1", "GET, HEAD"),
        ("POST", "/health", "GET, HEAD"),
    ],
)
async def test_given_another_method_when_asked_then_405_says_which_are_allowed(
    client: Client, method: str, path: str, allow: str
) -> None:
    reply = await client.request(method, path)

    assert assert_is_error(reply, 405, "METHOD_NOT_ALLOWED")["allow"] == allow.split(", ")
    assert reply.headers["Allow"] == allow


async def test_given_head_when_asked_then_the_headers_of_get_come_without_a_body(client: Client) -> None:
    raw = await client.raw(
        b"HEAD /openapi.json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", until_closed=True
    )

    reply = parsed(raw)
    assert reply.status == 200
    assert reply.body == b""
    assert int(reply.headers["Content-Length"]) == len((await client.get("/openapi.json")).body)


@pytest.mark.parametrize("request_id", ["x", "trace-4711/~", "y" * 128])
async def test_given_a_request_id_when_sent_then_it_is_echoed(client: Client, request_id: str) -> None:
    for path in (WALLET, "/nope"):
        reply = await client.get(path, headers={"X-Request-Id": request_id})

        assert reply.headers["X-Request-Id"] == request_id


@pytest.mark.parametrize("request_id", ["", "y" * 129, "two words", "ä"])
async def test_given_an_unusable_request_id_when_sent_then_the_server_makes_one(
    client: Client, request_id: str
) -> None:
    reply = await client.get(WALLET, headers={"X-Request-Id": request_id})

    assert re.fullmatch("[0-9a-f]{32}", reply.headers["X-Request-Id"])


async def test_given_no_request_id_when_sent_then_each_request_gets_its_own(client: Client) -> None:
    ids = {(await client.get(WALLET)).headers["X-Request-Id"] for _ in range(10)}

    assert len(ids) == 10


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64,
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n",
        b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 9_000 + b"\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
    ids=lambda data: repr(data[:24]),
)
async def test_given_what_is_not_http_when_sent_then_400_in_the_form_of_all_errors(
    client: Client, data: bytes
) -> None:
    reply = parsed(await client.raw(data, until_closed=True))

    assert_is_error(reply, 400, "MALFORMED_REQUEST")
    assert reply.headers["Connection"] == "close"


async def test_given_a_body_that_breaks_its_framing_when_sent_then_400_and_nothing_changes(
    client: Client, redis_url: str
) -> None:
    state = dump(redis_url)
    head = pull_head("Transfer-Encoding: chunked")

    raw = await client.raw(head + b'5\r\n{"cou\r\nZZ\r\n', until_closed=True)

    assert_is_error(parsed(raw), 400, "MALFORMED_REQUEST")
    assert dump(redis_url) == state


@pytest.mark.parametrize("name", ["Idempotency-Key", "X-Request-Id", "Authorization", "Origin"])
async def test_given_a_header_that_is_no_text_when_sent_then_it_is_answered_like_any_other(
    client: Client, name: str
) -> None:
    head = pull_head().replace(b"Host: x", b"Host: x\r\n" + name.encode() + b": \xff\xfe")

    reply = parsed(await client.raw(head))

    assert reply.status in (200, 400, 401, 422)
    assert reply.json


async def test_given_a_chunked_body_when_sent_then_it_is_read(client: Client) -> None:
    raw = await client.raw(
        pull_head("Transfer-Encoding: chunked") + b'5\r\n{"cou\r\n7\r\nnt": 1}\r\n0\r\n\r\n'
    )

    assert parsed(raw).status == 200


async def test_given_a_body_in_pieces_when_sent_then_it_is_read(client: Client) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    writer.write(pull_head("Content-Length: 12"))
    for byte in b'{"count": 1}':
        await asyncio.sleep(0)
        writer.write(bytes([byte]))

    assert parsed(await read_reply(reader)).status == 200
    writer.close()


async def test_given_a_client_that_waits_when_it_expects_100_then_it_is_told_to_continue(
    client: Client,
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    writer.write(pull_head("Content-Length: 12", "Expect: 100-continue"))
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b'{"count": 1}')

    assert parsed(await read_reply(reader)).status == 200
    writer.close()


async def test_given_a_body_that_does_not_come_when_its_time_is_over_then_408_and_nothing_changes(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("croupier_http.worker.build_app", partial(build_app, body_timeout_s=0.05))
    async with running(settings_for(redis_url)) as client:
        state = dump(redis_url)

        raw = await client.raw(pull_head("Content-Length: 12") + b'{"coun', until_closed=True)

        reply = parsed(raw)
        assert_is_error(reply, 408, "REQUEST_TIMEOUT")
        assert reply.headers["Connection"] == "close"
        assert dump(redis_url) == state


async def test_given_a_client_that_leaves_in_the_middle_when_gone_then_nothing_changes_and_others_are_served(
    client: Client, redis_url: str
) -> None:
    state = dump(redis_url)
    _, writer = await asyncio.open_connection("127.0.0.1", client.port)
    writer.write(pull_head("Content-Length: 12") + b'{"coun')
    await writer.drain()
    writer.close()
    await writer.wait_closed()

    assert (await client.get(WALLET)).status == 200
    assert dump(redis_url) == state


async def test_given_pipelined_requests_when_sent_at_once_then_all_are_answered_in_order(
    client: Client,
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    ids = [f"request-{number}" for number in range(50)]
    writer.write(b"".join(_get(WALLET, f"X-Request-Id: {request_id}") for request_id in ids))

    replies = [parsed(await read_reply(reader)) for _ in ids]

    assert [reply.headers["X-Request-Id"] for reply in replies] == ids
    writer.close()


@pytest.mark.parametrize(
    ("version", "connection", "answered"),
    [
        ("1.1", "keep-alive", None),
        ("1.1", "close", "close"),
        ("1.0", "keep-alive", "keep-alive"),
        ("1.0", "close", "close"),
    ],
)
async def test_given_a_version_and_a_wish_when_asked_then_the_connection_is_kept_or_closed(
    client: Client, version: str, connection: str, answered: str | None
) -> None:
    data = _get(WALLET, f"Connection: {connection}").replace(b"HTTP/1.1", f"HTTP/{version}".encode())
    raw = await client.raw(data, until_closed=answered == "close")

    reply = parsed(raw)
    assert reply.status == 200
    assert reply.headers.get("Connection") == answered


async def test_given_a_refused_token_and_a_body_when_sent_then_the_connection_serves_the_next_request(
    client: Client,
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    writer.write(pull_head("Content-Length: 12").replace(b"Bearer ", b"Bearer x") + b'{"count": 1}')
    assert parsed(await read_reply(reader)).status == 401
    writer.write(_get(WALLET))

    assert parsed(await read_reply(reader)).status == 200
    writer.close()


async def test_given_a_fault_of_the_server_when_answering_then_500_says_nothing_of_it(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("the secret cause")

    monkeypatch.setattr("croupier_http.commands.CommandRunner.begin", broken)

    reply = await client.post(PULL, headers={"X-Request-Id": "find-me"})

    assert_is_error(reply, 500, "INTERNAL")
    assert b"secret cause" not in reply.body
    assert (await client.get(WALLET)).status == 200


async def test_given_a_fault_while_the_reply_is_made_when_answering_then_500_in_the_form_of_all_errors(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("croupier_http.app.perf_counter", lambda: None)

    reply = await client.get(WALLET)

    assert_is_error(reply, 500, "INTERNAL")


def _get(path: str, *lines: str) -> bytes:
    head = [f"GET {path} HTTP/1.1", "Host: x", f"Authorization: Bearer {token()}", *lines]
    return "\r\n".join([*head, "", ""]).encode()
