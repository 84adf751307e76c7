"""Commands that are answered without a task: as all others are, in their turn, and whatever happens meanwhile."""

import asyncio
import re
from typing import Any

import pytest

from croupier_http import protocol
from croupier_http.app import App
from tests.http.support import (
    DEADLINE_S,
    PULL,
    WALLET,
    Client,
    Reply,
    assert_is_error,
    parsed,
    pull_head,
    read_reply,
    running,
    settings_for,
    token,
    until,
)
from tests.redis_server import administrator

JSON = "Content-Type: application/json"
BODY = b'{"count":1}'
_DIFFERS = re.compile(
    rb'[0-9a-f]{32,}|0-[0-9]+-[0-9]+|"(seq|nonce|balance|daily_remaining)":[0-9]+|"(pity|items)":.*?[\]}],'
)


@pytest.fixture
def by_task(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths of the requests that took a task. To be asked for before the server."""
    handle = App.handle
    paths: list[str] = []

    async def counted(app: App, request: Any) -> Any:
        paths.append(request.path)
        return await handle(app, request)

    monkeypatch.setattr(App, "handle", counted)
    return paths


def post(*lines: str, body: bytes = BODY, path: str = PULL, bearer: str | None = None) -> bytes:
    """A request in one piece; an empty `bearer` sends no token."""
    bearer = token() if bearer is None else bearer
    head = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *lines]
    if bearer:
        head.append(f"Authorization: Bearer {bearer}")
    return "\r\n".join([*head, "", ""]).encode() + body


DIRECT = {
    "a pull": post(JSON),
    "a repeated key": post(JSON, "Idempotency-Key: once"),
    "a request id": post(JSON, "X-Request-Id: mine"),
    "no json": post(JSON, body=b"{"),
    "an unknown field": post(JSON, body=b'{"a":1}'),
    "a field twice": post(JSON, body=b'{"count":1,"count":1}'),
    "a wrong count": post(JSON, body=b'{"count":7}'),
    "a bad key": post(JSON, "Idempotency-Key: two words"),
    "a key twice": post(JSON, "Idempotency-Key: a", "Idempotency-Key: b"),
    "a clock": post(JSON, "X-Croupier-Clock-Ms: 1"),
    "no such round": post(JSON, path="/api/games/crash/cashout", body=b'{"game_id":"' + b"0" * 32 + b'"}'),
    "no body": post(JSON, body=b"", path="/api/games/slot/spin"),
}
BY_TASK = {
    "another type": post("Content-Type: text/plain"),
    "a compressed body": post(JSON, "Content-Encoding: gzip"),
    "a body too large": post(JSON, body=b" " * 65_537),
    "no token": post(JSON, bearer=""),
    "a bad token": post(JSON, bearer="x"),
    "an administrator's": post(JSON, body=b"{}", path="/api/games/rewards/distribute"),
    "the end of the connection": post(JSON, "Connection: close"),
    "an older version": post(JSON).replace(b"HTTP/1.1", b"HTTP/1.0"),
    "a query string": post(JSON, path=PULL + "?x=1"),
}


def comparable(reply: Reply) -> tuple[int, set[str], bytes]:
    """What two replies to the same request have in common."""
    return reply.status, set(reply.headers), _DIFFERS.sub(b"", reply.body)


@pytest.mark.parametrize("name", [*DIRECT, *BY_TASK])
async def test_given_a_request_when_answered_directly_or_by_a_task_then_the_same_is_said(
    by_task: list[str], client: Client, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    request = (DIRECT | BY_TASK)[name]
    await client.raw(post(JSON, "Idempotency-Key: once"))
    by_task.clear()

    directly = parsed(await client.raw(request))
    assert bool(by_task) is (name in BY_TASK)
    monkeypatch.setattr(protocol, "begin", lambda *_: False)
    by_a_task = parsed(await client.raw(request))

    assert by_task
    assert comparable(directly) == comparable(by_a_task)


@pytest.mark.parametrize("count", [40, 1_000], ids=["few", "more than are read at once"])
async def test_given_a_pipeline_of_both_kinds_when_sent_at_once_then_all_are_answered_in_order(
    by_task: list[str], client: Client, count: int
) -> None:
    ids = [f"request-{number}" for number in range(count)]
    requests = []
    for number, request_id in enumerate(ids):
        request = post(JSON, f"X-Request-Id: {request_id}", body=b"{" if number % 5 == 3 else BODY)
        if number % 4 == 2 and count == 40:
            request = (
                f"GET {WALLET} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token()}\r\n"
                f"X-Request-Id: {request_id}\r\n\r\n"
            ).encode()
        requests.append(request)
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    by_task.clear()
    writer.write(b"".join(requests))

    async with asyncio.timeout(DEADLINE_S):
        replies = [parsed(await read_reply(reader)) for _ in ids]

    assert [reply.headers["X-Request-Id"] for reply in replies] == ids
    assert by_task.count(WALLET) == (10 if count == 40 else 0)
    writer.close()


async def test_given_a_request_in_pieces_when_it_is_whole_then_it_is_answered_and_so_is_the_next(
    client: Client,
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    for request in (post(JSON), post(JSON)):
        for first in range(0, len(request), 40):
            writer.write(request[first : first + 40])
            await writer.drain()
            await asyncio.sleep(0)
        assert parsed(await read_reply(reader)).status == 200
    writer.close()


async def test_given_a_client_that_leaves_before_its_reply_when_gone_then_the_pull_is_made_and_others_are_served(
    by_task: list[str], client: Client, redis_url: str
) -> None:
    before = (await client.get(WALLET)).json["tokens"]
    with administrator(redis_url) as pauses:
        pauses.execute_command("CLIENT", "PAUSE", 200)
    _, writer = await asyncio.open_connection("127.0.0.1", client.port)
    writer.write(post(JSON))
    await writer.drain()
    writer.transport.abort()

    async def is_made() -> bool:
        return bool((await client.get(WALLET)).json["tokens"] < before)

    await until(is_made, "the pull of a client that has left")
    assert PULL not in by_task


async def test_given_a_slow_answer_when_the_connection_may_not_be_idle_so_long_then_it_is_kept_for_the_answer(
    by_task: list[str], redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "KEEPALIVE_TIMEOUT_S", 0.1)
    monkeypatch.setattr("croupier_http.worker.shutdown_timeout_s", lambda _: 1.0)
    async with running(settings_for(redis_url)) as client:
        await _kept_for_its_answer(client, redis_url)
    assert PULL not in by_task


async def _kept_for_its_answer(client: Client, redis_url: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    with administrator(redis_url) as pauses:
        pauses.execute_command("CLIENT", "PAUSE", 400)
    writer.write(post(JSON))

    assert parsed(await read_reply(reader)).status == 200
    async with asyncio.timeout(DEADLINE_S):
        assert await reader.read() == b""  # and then it ends, being idle
    writer.close()


async def test_given_a_fault_while_the_reply_is_made_when_answered_then_500_and_the_connection_ends(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> str:
        raise RuntimeError("the secret cause")

    monkeypatch.setattr(App, "answered", fail)

    reply = parsed(await client.raw(post(JSON), until_closed=True))

    assert_is_error(reply, 500, "INTERNAL")
    assert reply.headers["Connection"] == "close"
    assert b"secret cause" not in reply.body


async def test_given_a_body_that_follows_its_head_later_when_whole_then_a_task_has_answered(
    by_task: list[str], client: Client
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    writer.write(pull_head("Content-Length: 11"))
    await until(lambda: _is(PULL in by_task), "the head to be read")
    writer.write(BODY)

    assert parsed(await read_reply(reader)).status == 200
    writer.close()


async def _is(fact: bool) -> bool:
    return fact
