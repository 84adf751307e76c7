"""What a connection may take up before it has asked for anything properly: bytes, time, and its place among others."""

import asyncio
import contextlib
import resource
from collections.abc import AsyncIterator
from functools import partial
from typing import cast

import pytest

from croupier_http import crowd, protocol
from croupier_http.build import build_app
from croupier_http.crowd import allow_connections
from croupier_http.protocol import HEAD_BYTES_MAX
from tests.http.support import (
    DEADLINE_S,
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
    until,
)
from tests.http.test_direct import JSON, post
from tests.ws.raw import raw_socket
from tests.ws.test_endings import held

GET = f"GET {WALLET} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token()}\r\n".encode()
LINE = b"X-Filler: " + b"x" * 8_000 + b"\r\n"
PAGE = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
DRIP_S = 0.02


@contextlib.asynccontextmanager
async def connection(client: Client) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to the client's server."""
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


@contextlib.asynccontextmanager
async def dripping(writer: asyncio.StreamWriter, piece: bytes) -> AsyncIterator[None]:
    """A client that sends a little now and then, while the block runs."""

    async def drip() -> None:
        while True:
            await asyncio.sleep(DRIP_S)
            writer.write(piece)

    task = asyncio.create_task(drip())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def rest(reader: asyncio.StreamReader) -> bytes:
    """What comes until the server ends the connection, in whatever way."""
    data = b""
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(DEADLINE_S):
            while chunk := await reader.read(65_536):
                data += chunk
    return data


@pytest.mark.parametrize(("begun", "piece"), [(GET, LINE), (b"", b"\r\n" * 4_096)], ids=["lines", "nothing"])
async def test_given_a_head_that_never_ends_when_a_multiple_of_64_kib_has_come_then_the_connection_ends(
    client: Client, begun: bytes, piece: bytes
) -> None:
    async with connection(client) as (reader, writer):
        writer.write(begun)
        sent = 0
        with contextlib.suppress(ConnectionError):
            while sent < 20 * HEAD_BYTES_MAX and not reader.at_eof():
                writer.write(piece)
                await writer.drain()
                sent += len(piece)
                await asyncio.sleep(0)
        await rest(reader)

        assert sent < 20 * HEAD_BYTES_MAX
    assert (await client.get(WALLET)).status == 200


async def test_given_a_head_that_is_too_long_when_refused_then_in_the_form_of_all_errors(
    client: Client,
) -> None:
    async with connection(client) as (reader, writer):
        for piece in (GET, *[LINE] * (HEAD_BYTES_MAX // len(LINE) + 1)):
            writer.write(piece)
            await writer.drain()

        reply = parsed(await rest(reader))

        assert_is_error(reply, 400, "MALFORMED_REQUEST")
        assert reply.headers["Connection"] == "close"


async def test_given_long_heads_within_the_limit_when_they_come_in_pieces_then_each_of_many_is_answered(
    client: Client,
) -> None:
    async with connection(client) as (reader, writer):
        for _ in range(4):
            for piece in (GET, LINE * 3, LINE * 3, b"\r\n"):
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0.005)  # so that they are read one by one, as a rule
            assert parsed(await read_reply(reader)).status == 200


@pytest.mark.parametrize(
    ("begun", "piece"),
    [(b"", b""), (b"", b"\r\n"), (b"GET /", b"a"), (GET + b"X-Slow: ", b"a"), (GET + b"\r\n" + GET, b"")],
    ids=["nothing", "empty lines", "an address", "a header", "a second head"],
)
async def test_given_a_client_that_sends_a_head_slowly_when_its_time_is_over_then_the_connection_ends(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, begun: bytes, piece: bytes
) -> None:
    monkeypatch.setattr(protocol, "KEEPALIVE_TIMEOUT_S", 0.3)
    async with running(settings_for(redis_url)) as client, connection(client) as (reader, writer):
        writer.write(begun)
        async with dripping(writer, piece):
            answered = await rest(reader)

    assert answered.count(b"HTTP/1.1 ") == begun.count(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (pull_head("Content-Length: 60000"), b" "),
        (pull_head("Transfer-Encoding: chunked"), b"1\r\n \r\n"),
        (pull_head("Transfer-Encoding: chunked") + b"1;", b"x"),
        (pull_head("Transfer-Encoding: chunked") + b"0\r\nX-Slow: ", b"x"),
    ],
    ids=["length", "chunks", "chunk extension", "trailer"],
)
async def test_given_a_body_of_one_byte_now_and_then_when_its_time_is_over_then_408(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, head: bytes, piece: bytes
) -> None:
    monkeypatch.setattr("croupier_http.worker.build_app", partial(build_app, body_timeout_s=0.2))
    async with running(settings_for(redis_url)) as client, connection(client) as (reader, writer):
        writer.write(head)
        async with dripping(writer, piece):
            reply = parsed(await read_reply(reader))

    assert_is_error(reply, 408, "REQUEST_TIMEOUT")
    assert reply.headers["Connection"] == "close"


@pytest.mark.parametrize("last", [b"", PAGE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")])
async def test_given_a_client_that_never_reads_when_its_time_is_over_then_its_connection_is_gone(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, last: bytes
) -> None:
    monkeypatch.setattr(protocol, "UNREAD_TIMEOUT_S", 0.3)
    async with running(settings_for(redis_url)) as client, connection(client) as (_, deaf):
        assert (await client.get(WALLET)).status == 200  # so that both have been accepted
        opened = held()
        cast(asyncio.Transport, deaf.transport).pause_reading()
        deaf.write(PAGE * 60 + last)  # more than the system keeps for a client that does not read

        await until(lambda: _is(held() == opened - 1), "the end of the connection")
        assert (await client.get(WALLET)).status == 200


async def _is(fact: bool) -> bool:
    return fact


@pytest.fixture
def crowded(redis_url: str) -> contextlib.AbstractAsyncContextManager[Client]:
    """A worker that takes five connections, one of which is that of its client."""
    return running(settings_for(redis_url, http_connections_max=5))


async def test_given_as_many_connections_as_there_may_be_when_more_come_then_503_until_one_has_gone(
    crowded: contextlib.AbstractAsyncContextManager[Client],
) -> None:
    async with crowded as client, contextlib.AsyncExitStack() as opened, connection(client) as (_, first):
        for _ in range(3):
            reader, writer = await opened.enter_async_context(connection(client))
            writer.write(GET + b"\r\n")
            assert parsed(await read_reply(reader)).status == 200

        async with connection(client) as (reader, _):  # it has asked for nothing yet
            refused = parsed(await rest(reader))

        assert_is_error(refused, 503, "OVERLOADED")
        assert refused.headers["Connection"] == "close"
        assert refused.headers["Retry-After"] == "1"
        assert (await client.get(WALLET)).status == 200  # on the connection that it has
        first.transport.abort()

        async def has_room() -> bool:
            async with connection(client) as (reader, writer):
                writer.write(GET + b"Connection: close\r\n\r\n")
                return (await rest(reader)).startswith(b"HTTP/1.1 200 ")

        await until(has_room, "the place of the one that has gone")


async def test_given_websockets_when_connections_are_counted_then_they_are_among_them(
    crowded: contextlib.AbstractAsyncContextManager[Client],
) -> None:
    async with crowded as client, contextlib.AsyncExitStack() as stack:
        for _ in range(4):
            await stack.enter_async_context(raw_socket(client))

        assert parsed(await client.raw(b"", until_closed=True)).status == 503


def test_given_a_limit_of_open_files_when_connections_are_allowed_then_it_is_raised_and_never_passed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limits = {"now": (1_024, 4_096)}
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits["now"])
    monkeypatch.setattr(resource, "setrlimit", lambda _, now: limits.update(now=now))

    assert allow_connections(500) == 500
    assert limits["now"] == (1_024, 4_096)
    assert allow_connections(2_000) == 2_000
    assert limits["now"] == (2_256, 4_096)
    assert allow_connections(25_000) == 4_096 - crowd._OTHER_FILES
    assert limits["now"] == (4_096, 4_096)
    limits["now"] = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    assert allow_connections(25_000) == 25_000


async def test_given_a_body_that_is_said_to_be_larger_than_any_when_sent_then_413_and_nothing_changes(
    client: Client, redis_url: str
) -> None:
    state = dump(redis_url)
    for length in (65_537, 2**63, 2**64 - 1):
        raw = await client.raw(pull_head(f"Content-Length: {length}"))

        assert_is_error(parsed(raw), 413, "PAYLOAD_TOO_LARGE")
    assert dump(redis_url) == state


async def test_given_a_chunked_body_when_it_is_larger_than_any_then_413_before_all_of_it_has_come(
    client: Client, redis_url: str
) -> None:
    state = dump(redis_url)
    raw = await client.raw(pull_head("Transfer-Encoding: chunked") + b"11000\r\n" + b" " * 0x11000)

    assert_is_error(parsed(raw), 413, "PAYLOAD_TOO_LARGE")
    assert dump(redis_url) == state


@pytest.mark.parametrize("coding", ["gzip, chunked", "deflate, chunked", "x, chunked"])
async def test_given_a_body_in_a_transfer_coding_other_than_chunks_when_sent_then_415(
    client: Client, coding: str
) -> None:
    raw = await client.raw(pull_head(f"Transfer-Encoding: {coding}") + b'b\r\n{"count":1}\r\n0\r\n\r\n')

    assert_is_error(parsed(raw), 415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize("what", ["websocket", "tcp", "h2c"])
async def test_given_a_command_that_also_asks_for_another_protocol_when_answered_then_the_next_one_is_too(
    client: Client, what: str
) -> None:
    async with connection(client) as (reader, writer):
        for _ in range(2):
            writer.write(post(JSON, "Connection: Upgrade", f"Upgrade: {what}"))
            assert parsed(await read_reply(reader)).status == 200
