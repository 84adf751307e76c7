"""What happens around the end of a socket: connections that break at the wrong moment, and commands that still wait."""

import asyncio
import gc
import json
from typing import Any

import pytest

from croupier.transport import Subscription
from croupier_http.protocol import HttpServer
from croupier_http.ws.connection import Connection
from croupier_http.ws.live import Live
from tests.http.support import Client, running, settings_for, token, until
from tests.redis_server import administrator
from tests.ws.raw import PING, PONG, frame, raw_socket
from tests.ws.support import connected
from tests.ws.test_bounds import metric, until_steady


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Connection]:
    """The server's side of the sockets that are opened."""
    connections: list[Connection] = []
    begin = Connection.begin

    def note(connection: Connection, early: bytes) -> None:
        connections.append(connection)
        begin(connection, early)

    monkeypatch.setattr(Connection, "begin", note)
    return connections


@pytest.mark.parametrize("broken_first", [True, False])
async def test_given_a_transport_that_is_gone_when_the_socket_is_used_and_closed_then_nothing_is_raised(
    client: Client, opened: list[Connection], monkeypatch: pytest.MonkeyPatch, broken_first: bool
) -> None:
    async with raw_socket(client):
        (connection,) = opened
        if broken_first:  # and the socket has not heard of it
            monkeypatch.setattr(Connection, "lost", lambda _connection: None)
            connection._transport.abort()
            await asyncio.sleep(0.05)
        else:
            connection._transport.abort()
        connection.ping()
        connection.pinged_by_client(b"x")
        connection.pause_reading()
        connection.resume_reading()
        connection.push(b"{}")
        connection.reply(b"[" + b"0" * 100_000 + b"]")
        connection.close(1012, "the server is stopping")
        connection.abort()
        assert connection.ended.done()


async def test_given_a_subscription_whose_connection_just_broke_when_channels_change_then_nothing_is_raised(
    redis_url: str,
) -> None:
    subscription, begun = Subscription(redis_url, ["{0}:one"]), asyncio.Event()
    listening = asyncio.create_task(
        subscription.listen(lambda _channel, _message: None, lambda _channel: begun.set())
    )
    try:
        await asyncio.wait_for(begun.wait(), 10)
        changed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def change() -> None:
            try:
                subscription.add("{0}:two")
                subscription.remove("{0}:one")
            except Exception as error:
                changed.set_exception(error)
            else:
                changed.set_result(None)

        assert subscription._writer is not None
        subscription._writer.transport.abort()
        asyncio.get_running_loop().call_soon(
            change
        )  # after the transport's end, before the reader hears of it
        await changed

        with administrator(redis_url) as inspector:

            async def is_right() -> bool:
                heard = inspector.pubsub_numsub("{0}:one", "{0}:two")
                return bool(heard == [(b"{0}:one", 0), (b"{0}:two", 1)])

            await until(is_right, "the channels of the next connection")
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


def held() -> int:
    """Connections that the servers of this process have."""
    return sum(len(each.connections) for each in gc.get_objects() if isinstance(each, HttpServer))


async def test_given_sockets_that_end_in_any_way_when_gone_then_the_http_server_holds_none_of_them(
    client: Client, opened: list[Connection]
) -> None:
    await client.get("/health", bearer="")
    before = held()
    async with raw_socket(client) as closing, raw_socket(client) as broken, raw_socket(client):
        assert held() == before + 3
        opened[0].close(4403, "PLAYER_BANNED")
        await closing.close_code()
        opened[1].abort()
        await broken.reader.read()

    async def are_gone() -> bool:
        return held() == before

    await until(are_gone, "the end of the connections")


REFUSED_SPINS = 'game_commands_total{command="slot.spin",outcome="BET_OUT_OF_RANGE"}'


async def test_given_commands_that_wait_when_the_socket_is_closed_then_they_are_not_begun(
    client: Client, opened: list[Connection]
) -> None:
    asked, before = 1_500, await metric(client, REFUSED_SPINS)
    async with raw_socket(client) as raw:
        for first in range(0, asked, 250):
            calls = [[first + number, "slot.spin", {"bet_amount": 7}] for number in range(250)]
            raw.writer.write(frame(json.dumps(calls).encode()))
        while not (await raw.read())[1].startswith(b"["):
            pass
        opened[0].close(4403, "PLAYER_BANNED")
        assert await raw.close_code() == 4403

    ran = await until_steady(lambda: metric(client, REFUSED_SPINS)) - before

    assert 0 < ran < asked


async def test_given_a_flood_of_pings_or_pongs_when_sent_then_they_count_as_frames(redis_url: str) -> None:
    async with running(settings_for(redis_url, ws_frames_per_second=20)) as client:
        for opcode in (PING, PONG):
            async with raw_socket(client, bearer=token(opcode)) as raw:
                raw.writer.write(frame(b"x", opcode) * 60)
                assert await raw.close_code() == 4429


async def test_given_messages_of_too_many_bytes_when_none_is_delivered_then_they_are_dropped() -> None:
    live = Live("redis://127.0.0.1:1", None, None, lambda: 0, lambda _uid: None)  # type: ignore[arg-type]
    message = b"x" * (1024 * 1024)
    for _ in range(100):
        live._heard("{0}:monitor", message)
    assert sum(len(each) for _, each in live._messages) <= 18 * 1024 * 1024


NO_TEXT = "\ud800"
"""Half of a surrogate pair, which JSON can spell and UTF-8 cannot."""

ODD = [
    [1, "slot.spin", {"bet_amount": 2**80}],
    [1, "slot.spin", {"bet_amount": -(2**63) - 1}],
    [1, "slot.spin", {"bet_amount": float("inf")}],
    [1, "slot.\u202espin", {}],
    [1, "gacha.pull", {"banner": "<img src=x onerror=alert(1)>"}],
    [1, "fairness.rotate", {"client_seed": "\u0000\u0007"}],
    [1, "gacha.pull", []],
    [1, "gacha.pull", None],
    [1, "gacha.pull", {}, ""],
    [1, "gacha.pull", {}, "\u00e9"],
    [1, "gacha.pull", {}, "k" * 4000],
]


@pytest.mark.parametrize("call", ODD)
async def test_given_a_command_with_odd_contents_when_sent_then_refused_and_the_socket_goes_on(
    client: Client, call: list[Any]
) -> None:
    async with connected(client) as socket:
        await socket.ws.send_str(json.dumps(call).replace("Infinity", "1e400"))
        while not socket.replies:
            await socket.receive()
        assert socket.replies.pop()[1] in (400, 404, 422)
        assert (await socket.command("ping"))[1] == 200


@pytest.mark.parametrize(
    "call",
    [
        [NO_TEXT, "ping", {}],
        [1, NO_TEXT, {}],
        [1, "fairness.rotate", {"client_seed": NO_TEXT}],
        [1, "slot.spin", {NO_TEXT: 1}],
        [1, "ping", {}, NO_TEXT],
    ],
)
async def test_given_what_is_no_text_when_sent_then_closed_with_1007(client: Client, call: list[Any]) -> None:
    async with connected(client) as socket:
        await socket.ws.send_str(json.dumps(call))
        assert await socket.closed() == 1007
