"""Opening a socket: who may, from where, and with what."""

import asyncio
import contextlib

import pytest

from tests.http.served import serving
from tests.http.support import (
    Client,
    assert_is_error,
    forged,
    parsed,
    running,
    settings_for,
    token,
    until_ready,
)
from tests.redis_server import administrator
from tests.ws.support import JSON, MONITOR, MSGPACK, WS, connected, refused

NOTIFICATIONS = "/ws/notifications/42"


async def ticket_of(client: Client, **options: str) -> str:
    reply = await client.post("/api/games/ws/ticket", **options)
    assert reply.status == 200, reply.body
    ticket: str = reply.json["ticket"]
    return ticket


@pytest.mark.parametrize("path", [WS, NOTIFICATIONS])
async def test_given_a_token_in_the_header_or_the_address_or_a_ticket_when_opened_then_it_is_the_same_player(
    client: Client, path: str
) -> None:
    for options in (
        {"bearer": token()},
        {"bearer": "", "path": f"{path}?token={token()}"},
        {"bearer": "", "path": f"{path}?ticket={await ticket_of(client)}"},
    ):
        async with connected(client, **({"path": path} | options)) as socket:
            assert (await socket.push("hello"))["player_id"] == 42


@pytest.mark.parametrize(
    ("path", "bearer"),
    [
        (WS, ""),
        (WS, "nonsense"),
        (f"{WS}?token=nonsense", ""),
        (f"{WS}?token=", ""),
        (f"{WS}?ticket=nonsense", ""),
        (f"{WS}?ticket=", ""),
        (f"{WS}?ticket={'x' * 4000}", ""),
        (f"{WS}?ticket=%ED%A0%80", ""),
        (WS, forged(secret="x" * 64)),
        (WS, token(ttl_s=-1)),
        (MONITOR, ""),
        (NOTIFICATIONS, ""),
    ],
)
async def test_given_no_or_no_good_credentials_when_opened_then_401(
    client: Client, path: str, bearer: str
) -> None:
    assert await refused(client, path, bearer=bearer) == 401


async def test_given_two_credentials_when_opened_then_400(client: Client) -> None:
    assert await refused(client, f"{WS}?token={token()}") == 400
    assert await refused(client, f"{WS}?token={token()}&token={token()}", bearer="") == 400
    assert await refused(client, f"{WS}?ticket=x&token={token()}", bearer="") == 400


async def test_given_a_player_when_opening_what_is_for_others_then_403(client: Client) -> None:
    assert await refused(client, MONITOR) == 403
    assert await refused(client, "/ws/notifications/43") == 403
    for path in ("/ws/notifications/x", "/ws/notifications/0", "/ws/notifications/9007199254740992"):
        assert await refused(client, path) == 404


async def test_given_an_admin_when_opening_them_then_they_open(client: Client) -> None:
    admin = token(1, role="admin")
    async with connected(client, MONITOR, bearer=admin) as monitor:
        assert (await monitor.push("monitor_snapshot"))["events"] == []
    async with connected(client, "/ws/notifications/43", bearer=admin) as socket:
        assert (await socket.push("hello"))["player_id"] == 43


async def test_given_a_ticket_when_twenty_use_it_at_once_then_one_gets_in(client: Client) -> None:
    ticket = await ticket_of(client)

    async def attempt() -> str:
        try:
            async with connected(client, f"{WS}?ticket={ticket}", bearer="") as socket:
                await socket.push("hello")
                return "in"
        except Exception as error:
            return str(getattr(error, "status", error))

    outcomes = await asyncio.gather(*(attempt() for _ in range(20)))

    assert sorted(outcomes) == ["401"] * 19 + ["in"]


async def test_given_a_ticket_then_redis_has_its_hash_for_a_while_and_never_the_ticket(
    client: Client, redis_url: str
) -> None:
    ticket = await ticket_of(client)

    with administrator(redis_url) as inspector:
        (name,) = inspector.keys("*ticket*")
        assert ticket.encode() not in name + inspector.get(name)
        assert 0 < inspector.ttl(name) <= 30


async def test_given_the_ticket_of_a_short_token_when_used_then_the_socket_ends_with_the_token(
    client: Client,
) -> None:
    ticket = await ticket_of(client, bearer=token(ttl_s=2))
    async with connected(client, f"{WS}?ticket={ticket}", bearer="") as socket:
        await socket.push("hello")
        assert await socket.closed() == 4401


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://evil.example", 403),
        ("null", 403),
        ("http://127.0.0.1:1", 403),
        ("http://127.0.0.1", 403),
        ("https://play.example", 101),
        ("https://play.example.evil", 403),
    ],
)
async def test_given_a_page_of_an_origin_when_it_opens_a_socket_then_own_and_configured_ones_may(
    redis_url: str, origin: str, status: int
) -> None:
    settings = settings_for(redis_url, cors_origins="https://play.example")
    async with running(settings) as client:
        if status == 101:
            async with connected(client, origin=origin) as socket:
                await socket.push("hello")
        else:
            assert await refused(client, origin=origin) == status
        async with connected(client, origin=client.url) as socket:  # the same host
            await socket.push("hello")


async def test_given_a_page_without_an_origin_when_the_request_names_no_host_then_403(client: Client) -> None:
    for origin, host in (("null", "Host: \r\n"), ("file://", "Host:\r\n"), ("null", "Host: null\r\n")):
        reply = parsed(
            await client.raw(
                f"GET {WS} HTTP/1.1\r\n{host}Connection: Upgrade\r\nUpgrade: websocket\r\n"
                "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                f"Origin: {origin}\r\nAuthorization: Bearer {token()}\r\n\r\n".encode()
            )
        )
        assert reply.status == 403, (origin, host)


async def test_given_a_ticket_of_bytes_that_are_no_text_when_opened_then_401(client: Client) -> None:
    reply = parsed(
        await client.raw(
            f"GET {WS}?ticket=".encode() + b"\xff\xfe HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
            b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
    )

    assert reply.status in (400, 401)


async def test_given_a_refused_origin_when_a_ticket_was_shown_then_the_ticket_is_still_good(
    client: Client,
) -> None:
    ticket = await ticket_of(client)

    assert await refused(client, f"{WS}?ticket={ticket}", bearer="", origin="http://evil.example") == 403
    async with connected(client, f"{WS}?ticket={ticket}", bearer="") as socket:
        await socket.push("hello")


async def test_given_no_upgrade_when_asked_for_then_426_and_the_connection_goes_on(client: Client) -> None:
    for path in (WS, MONITOR, NOTIFICATIONS):
        reply = await client.get(path, bearer=token(42, role="admin"))
        assert_is_error(reply, 426, "UPGRADE_REQUIRED")
        assert reply.headers["Upgrade"] == "websocket"


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"Sec-WebSocket-Version": "12"}, 400),
        ({"Sec-WebSocket-Version": None}, 400),
        ({"Sec-WebSocket-Key": "short"}, 400),
        ({"Sec-WebSocket-Key": None}, 400),
        ({"Sec-WebSocket-Key": "!" * 24}, 400),
        ({"Connection": "keep-alive"}, 426),
        ({"Upgrade": "h2c"}, 426),
        ({}, 101),
    ],
)
async def test_given_a_broken_handshake_when_sent_then_it_is_refused(
    client: Client, changed: dict[str, str | None], status: int
) -> None:
    headers = {
        "Host": "127.0.0.1", "Connection": "keep-alive, Upgrade", "Upgrade": "WebSocket",
        "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Authorization": f"Bearer {token()}", **changed,
    }  # fmt: skip
    head = [
        f"GET {WS} HTTP/1.1",
        *(f"{name}: {value}" for name, value in headers.items() if value is not None),
    ]
    reply = parsed(await client.raw("\r\n".join([*head, "", ""]).encode()))

    assert reply.status == status
    if status == 101:
        assert (
            reply.headers["Sec-WebSocket-Accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        )  # RFC 6455, section 1.3
        assert "X-Request-Id" in reply.headers


async def test_given_subprotocols_when_offered_then_the_first_known_one_is_taken(client: Client) -> None:
    async with connected(client, protocol=None) as socket:
        assert socket.ws.protocol is None
        assert (await socket.push("hello"))["player_id"] == 42
    async with connected(client, protocol=MSGPACK) as socket:
        assert socket.ws.protocol == MSGPACK
    async with connected(client, protocol=JSON) as socket:
        assert socket.ws.protocol == JSON


async def test_given_a_player_with_too_many_sockets_when_another_is_opened_then_it_is_closed_at_once(
    redis_url: str,
) -> None:
    async with (
        running(settings_for(redis_url, ws_sockets_per_player=3)) as client,
        contextlib.AsyncExitStack() as stack,
    ):
        for _ in range(3):
            socket = await stack.enter_async_context(connected(client))
            await socket.push("hello")
        async with connected(client) as one_too_many:
            assert await one_too_many.closed() == 1013
        async with connected(client, bearer=token(43)) as other:
            await other.push("hello")
        await socket.ws.close()
        async with connected(client) as again:
            await again.push("hello")


async def test_given_a_full_worker_when_a_socket_is_opened_then_it_is_closed_with_1013(
    redis_url: str,
) -> None:
    async with running(settings_for(redis_url, ws_sockets_max=1)) as client, connected(client) as socket:
        await socket.push("hello")
        async with connected(client, bearer=token(43)) as other:
            assert await other.closed() == 1013


async def test_given_tokens_and_tickets_in_addresses_when_refused_or_not_then_no_log_has_them(
    redis_url: str,
) -> None:
    bad = forged(secret="y" * 64)
    async with serving(settings_for(redis_url, log_level="debug")) as (server, client):
        await until_ready(client)
        ticket = await ticket_of(client)
        async with connected(client, f"{WS}?token={token()}", bearer="") as socket:
            await socket.command("no.such")
            await socket.ws.send_bytes(b"\x00")
            await socket.closed()
        assert await refused(client, f"{WS}?token={bad}", bearer="") == 401
        async with connected(client, f"{WS}?ticket={ticket}", bearer=""):
            pass
        assert await refused(client, f"{WS}?ticket={ticket}", bearer="") == 401

    written = "\n".join(server.lines)
    assert "games_ws_v1" in written
    for secret in (token(), bad, ticket):
        assert secret.rpartition(".")[2] not in written


LIMIT = 6
SHAKE = {
    "Host": "127.0.0.1", "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}  # fmt: skip


async def status_of(client: Client, query: str, changed: dict[str, str]) -> int:
    lines = [f"{name}: {value}" for name, value in (SHAKE | changed).items()]
    return parsed(
        await client.raw("\r\n".join([f"GET {WS}{query} HTTP/1.1", *lines, "", ""]).encode())
    ).status


@pytest.mark.parametrize(
    ("query", "changed", "status"),
    [
        ("?ticket=x", {"Sec-WebSocket-Version": "12"}, 400),
        ("?ticket=x", {"Sec-WebSocket-Key": "short"}, 400),
        ("?ticket=x", {"Upgrade": "h2c"}, 426),
        ("?ticket=x", {"Origin": "https://evil.example"}, 403),
        ("?ticket=x&ticket=y", {}, 400),
        ("?ticket=x", {}, 401),
        ("?token=x&token=y", {}, 400),
        ("?token=x", {}, 401),
    ],
)
async def test_given_handshakes_that_prove_nothing_when_too_many_then_429_and_a_proven_one_is_no_stranger(
    redis_url: str, query: str, changed: dict[str, str], status: int
) -> None:
    settings = settings_for(redis_url, stranger_rate_per_second=0, stranger_rate_per_minute=LIMIT)
    async with running(settings) as client:
        proven = [await status_of(client, f"?token={token()}", {"Upgrade": "h2c"}) for _ in range(LIMIT + 2)]
        strange = [await status_of(client, query, changed) for _ in range(LIMIT + 1)]
        async with connected(client) as socket:
            await socket.push("hello")

    assert proven == [426] * (LIMIT + 2)
    assert strange == [status] * LIMIT + [429]


@pytest.mark.parametrize(
    ("version", "lines", "body"),
    [
        ("1.0", "", b""),
        ("1.1", "Content-Length: 4\r\n", b"\x81\x80\x00\x00"),
        ("1.1", "Transfer-Encoding: chunked\r\n", b"4\r\n\x81\x80\x00\x00\r\n0\r\n\r\n"),
    ],
)
async def test_given_a_handshake_of_another_version_or_with_a_body_when_sent_then_400(
    client: Client, version: str, lines: str, body: bytes
) -> None:
    head = (
        f"GET {WS} HTTP/{version}\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        f"Authorization: Bearer {token()}\r\n{lines}\r\n"
    )
    for sent in (head.encode() + body, head.encode()):
        reply = parsed(await client.raw(sent))

        assert_is_error(reply, 400, "MALFORMED_REQUEST")
