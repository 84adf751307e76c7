"""The sockets of a stream: how they are opened, lost, opened again, and closed."""

import asyncio
import contextlib
import json
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from croupier_client import (
    MONITOR,
    ClientError,
    CroupierProtocolError,
    CroupierRefused,
    CroupierUnavailable,
    Hello,
    MonitorSnapshot,
    Stream,
)
from croupier_client.connecting import Ended
from tests.cli.support import free_port
from tests.client.sockets import HELLO, SPUN, holds, numbers, stream, talking
from tests.client.support import answering, wire_to
from tests.http.support import running, settings_for, token, until
from tests.ws.support import House


async def test_given_a_worker_that_is_restarted_when_calls_go_on_then_all_are_answered_once_each(
    redis_url: str, database_url: str, house: House
) -> None:
    port = free_port()
    settings = settings_for(redis_url, database_url=database_url, http_port=port)
    done: list[str] = []
    stop = False
    async with contextlib.AsyncExitStack() as stack:
        async with running(settings) as first:
            me = await stack.enter_async_context(Stream(first.url, token(), deadline_s=60))
            await me.greeted()

            async def play() -> None:
                while not stop:
                    done.append((await me.spin(bet_amount=100)).receipt.event_id)

            playing = [asyncio.create_task(play()) for _ in range(8)]
            await until(lambda: holds(lambda: len(done) > 50), "spins")
        before = len(done)
        async with running(settings):
            await until(lambda: holds(lambda: len(done) > before + 50), "spins after the restart")
            stop = True
            await asyncio.gather(*playing)
            hellos = [
                push for push in [await anext(me) for _ in range(len(me._inbox))] if isinstance(push, Hello)
            ]
            await me.close()

    await house.casino.until_caught_up()
    spun = [str(event.id) for event in await house.casino.log() if event.header.type == "slot.spun"]
    assert sorted(done) == sorted(spun)
    assert len(hellos) == 2


async def test_given_a_hint_when_to_come_back_when_the_server_stops_then_the_stream_comes_back_then() -> None:
    opened_s: list[float] = []

    async def talk(socket: web.WebSocketResponse, number: int) -> None:
        opened_s.append(asyncio.get_running_loop().time())
        await socket.send_json(HELLO)
        if number == 1:
            await socket.send_json({"type": "reconnect", "after_ms": 300})
            await socket.close(code=1012)
        async for message in socket:
            await socket.send_json([json.loads(message.data)[0], 200, SPUN])

    async with talking(talk) as url, stream(url) as me:
        await me.spin(bet_amount=100)

    assert opened_s[1] - opened_s[0] >= 0.29


async def test_given_an_unanswered_command_when_the_socket_is_lost_then_it_is_sent_again_under_its_key() -> (
    None
):
    heard: list[list[Any]] = []

    async def talk(socket: web.WebSocketResponse, number: int) -> None:
        async for message in socket:
            heard.append(json.loads(message.data))
            if number == 3:
                await socket.send_json([[call[0], 200, SPUN] for call in heard[-1]])
            elif number == 2:
                await socket.close(code=1011)
            else:
                assert socket._req is not None and socket._req.transport is not None
                socket._req.transport.abort()

    async with talking(talk) as url, stream(url) as me:
        await asyncio.gather(me.spin(bet_amount=100), me.play("ROCK"), return_exceptions=True)

    assert len(heard) == 3
    assert heard[0] == heard[1] == heard[2]
    assert len({call[3] for call in heard[0]}) == 2


async def test_given_a_token_that_expires_when_another_is_given_then_the_stream_goes_on(house: House) -> None:
    given = 0

    async def source() -> str:
        nonlocal given
        given += 1
        return token(ttl_s=1 if given == 1 else 3600)

    async with Stream(house.client.url, source) as me:
        await me.greeted()
        await until(lambda: holds(lambda: given == 2), "another token")
        await me.spin(bet_amount=100)

    assert given == 2


async def test_given_a_token_that_expires_when_there_is_no_other_then_calls_and_iteration_end_with_that(
    house: House,
) -> None:
    async with Stream(house.client.url, token(ttl_s=1)) as me:
        with pytest.raises(CroupierRefused, match="UNAUTHENTICATED"):
            async for _ in me:
                pass
        with pytest.raises(CroupierRefused, match="UNAUTHENTICATED"):
            await me.spin(bet_amount=100)


@pytest.mark.parametrize(
    ("bearer", "path", "code"),
    [
        ("nonsense", "/api/games/ws", "UNAUTHENTICATED"),
        ("", MONITOR, "FORBIDDEN"),
        ("", "/none", "NOT_FOUND"),
    ],
)
@pytest.mark.parametrize("tickets", [False, True])
async def test_given_a_socket_that_may_not_be_opened_when_entered_then_it_is_refused(
    house: House, bearer: str, path: str, code: str, tickets: bool
) -> None:
    with pytest.raises(CroupierRefused) as refused:
        async with Stream(house.client.url, bearer or token(), path=path, tickets=tickets):
            pass

    assert refused.value.code == code


@pytest.mark.parametrize(
    ("close_code", "reason", "expected"),
    [
        (4403, b"PLAYER_BANNED", "PLAYER_BANNED"),
        (4403, b"", "FORBIDDEN"),
        (1009, b"", "1009"),
        (1007, b"", "1007"),
    ],
)
async def test_given_a_close_for_good_when_it_comes_then_the_stream_ends_with_its_reason(
    close_code: int, reason: bytes, expected: str
) -> None:
    count = 0

    async def talk(socket: web.WebSocketResponse, number: int) -> None:
        nonlocal count
        count = number
        await socket.receive()
        await socket.close(code=close_code, message=reason)

    async with talking(talk) as url, stream(url) as me:
        with pytest.raises(CroupierUnavailable) as sent:
            await me.spin(bet_amount=100)
        with pytest.raises(ClientError, match=expected):
            await me.spin(bet_amount=100)
        with pytest.raises(ClientError, match=expected):
            await anext(me)

    assert sent.value.may_have_run and expected in str(sent.value)
    assert count == 1


@pytest.mark.parametrize("code", [1013, 4429, 1000, 1011])
async def test_given_a_close_that_passes_when_it_comes_then_the_stream_comes_back(
    code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("croupier_client.connecting._LATER_S", 0.05)

    async def talk(socket: web.WebSocketResponse, number: int) -> None:
        if number == 1:
            await socket.close(code=code)
        async for message in socket:
            await socket.send_json([json.loads(message.data)[0], 200, SPUN])

    async with talking(talk) as url, stream(url) as me:
        await me.spin(bet_amount=100)


@pytest.mark.parametrize(
    "garbage",
    [
        "",
        "{}",
        "[]",
        "[1]",
        "nonsense",
        '{"type":"hello"}',
        '{"type":5}',
        "[1,200]",
        '["x",200,{}]',
        "[[1,2],3]",
        "[" * 9000,
    ],
)
async def test_given_a_frame_that_is_none_when_it_comes_then_the_stream_opens_another_socket(
    garbage: str,
) -> None:
    async def talk(socket: web.WebSocketResponse, number: int) -> None:
        if number == 1:
            await socket.send_str(garbage)
        async for message in socket:
            await socket.send_json([json.loads(message.data)[0], 200, SPUN])

    async with talking(talk) as url, stream(url) as me:
        await me.spin(bet_amount=100)


async def test_given_a_frame_of_the_other_kind_or_too_large_when_it_comes_then_another_socket_is_opened() -> (
    None
):
    async def talk(socket: web.WebSocketResponse, number: int) -> None:
        if number == 1:
            await socket.send_bytes(b"\x93\x01\xcc\xc8")
        elif number == 2:
            await socket.send_str('{"type":"x","much":"' + "x" * 5000 + '"}')
        async for message in socket:
            await socket.send_json([json.loads(message.data)[0], 200, SPUN])

    async with talking(talk) as url, stream(url, message_bytes_max=4000) as me:
        await me.spin(bet_amount=100)


@pytest.mark.parametrize("body", [{"reels": 5}, [], None, "x"])
async def test_given_a_reply_that_is_none_when_it_comes_then_that_call_fails_and_others_go_on(
    body: Any,
) -> None:
    async def talk(socket: web.WebSocketResponse, _number: int) -> None:
        async for number in numbers(socket):
            await socket.send_json([number, 200, body if number == 1 else SPUN])

    async with talking(talk) as url, stream(url) as me:
        with pytest.raises(CroupierProtocolError) as failed:
            await me.spin(bet_amount=100)
        await me.spin(bet_amount=100)

    assert failed.value.idempotency_key


async def test_given_no_server_when_entered_then_the_error_comes_by_the_deadline() -> None:
    with pytest.raises(CroupierUnavailable, match="no connection in time: no connection: ClientConn") as gone:
        async with Stream("http://127.0.0.1:1", "t", deadline_s=0.2):
            pass

    assert isinstance(gone.value.__cause__, ConnectionError)
    assert gone.value.__cause__.__context__ is None  # aiohttp's error holds the request with its token


async def test_given_a_monitor_s_sockets_that_are_lost_when_each_was_greeted_then_the_waits_do_not_grow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failures: list[int] = []

    def wait_s(_ended: Ended, count: int) -> float:
        failures.append(count)
        return 0.0

    async def talk(socket: web.WebSocketResponse, number: int) -> None:
        await socket.send_json({"type": "monitor_snapshot", "events": [], "live": True})
        if number < 4:
            await socket.close(code=1011)
        await socket.receive()

    monkeypatch.setattr(Ended, "wait_s", wait_s)
    async with talking(talk) as url, stream(url, path=MONITOR) as monitor:
        assert await monitor.greeted() == MonitorSnapshot([], live=True)
        await until(lambda: holds(lambda: len(failures) == 3), "three losses")

    assert failures == [0, 0, 0]


@pytest.mark.parametrize("code", [1013, 4429])
def test_given_a_server_that_has_no_room_when_lost_then_the_next_attempt_is_a_second_later(code: int) -> None:
    assert Ended(code, "").wait_s(0) >= 1.0
    assert Ended(1011, "").wait_s(0) < 1.0


async def test_given_a_server_that_is_silent_when_it_gives_no_sign_of_life_then_another_socket_is_opened() -> (
    None
):
    async def talk(socket: web.WebSocketResponse, number: int) -> None:
        if number == 1:
            await asyncio.Event().wait()  # reads nothing, so answers no ping
        async for message in socket:
            await socket.send_json([json.loads(message.data)[0], 200, SPUN])

    async with talking(talk) as url, stream(url, heartbeat_s=0.2) as me:
        await me.spin(bet_amount=100)


async def test_given_a_call_that_waits_for_its_limit_when_closed_then_it_ends() -> None:
    async def talk(socket: web.WebSocketResponse, _number: int) -> None:
        async for number in numbers(socket):
            body = {"code": "RATE_LIMITED", "message": "Wait."}
            await socket.send_json([number, 429, body, {"retry_after": 0.2}])

    async with talking(talk) as url, stream(url) as me:
        call = asyncio.create_task(me.spin(bet_amount=100))
        await asyncio.sleep(0.05)
        await me.close(drain_s=0)
        with pytest.raises(CroupierUnavailable, match="closed"):
            await call


async def test_given_calls_under_way_when_closed_then_they_are_answered_first(house: House) -> None:
    async with Stream(house.client.url, token()) as me:
        calls = [asyncio.create_task(me.spin(bet_amount=100)) for _ in range(50)]
        await asyncio.sleep(0)
    spun = await asyncio.gather(*calls)

    assert len({reply.receipt.seq for reply in spun}) == 50
    with pytest.raises(CroupierUnavailable, match="closed"):
        await me.spin(bet_amount=100)


async def test_given_calls_that_are_not_answered_when_closed_then_they_end_with_an_error() -> None:
    async def talk(socket: web.WebSocketResponse, _number: int) -> None:
        async for _ in socket:
            pass

    async with talking(talk) as url, stream(url) as me:
        call = asyncio.create_task(me.spin(bet_amount=100))
        await asyncio.sleep(0.05)
        await me.close(drain_s=0.05)
        with pytest.raises(CroupierUnavailable) as gone:
            await call

    assert gone.value.may_have_run


async def test_given_a_stream_that_was_closed_when_looked_for_then_no_task_and_no_socket_is_left(
    house: House,
) -> None:
    async with wire_to(house.client.port, 1) as wire:
        before = asyncio.all_tasks()
        async with Stream(wire.url, token()) as me:
            await me.spin(bet_amount=100)
        await until(lambda: holds(lambda: not _left(before, wire)), "an end of everything")


def _left(before: set[asyncio.Task[Any]], wire: Any) -> set[asyncio.Task[Any]]:
    return {task for task in asyncio.all_tasks() - before if "croupier_client" in repr(task)}


async def test_given_a_proxy_that_answers_503_when_entered_then_the_stream_waits_for_it() -> None:
    count = 0

    async def handle(request: web.Request) -> web.StreamResponse:
        nonlocal count
        count += 1
        if count < 3:
            return web.Response(status=503, headers={"Retry-After": "0"})
        socket = web.WebSocketResponse(protocols=("croupier.json",))
        await socket.prepare(request)
        await socket.send_json(HELLO)
        async for message in socket:
            assert message.type is aiohttp.WSMsgType.TEXT
        return socket

    async with answering(handle) as url, stream(url) as me:
        hello = await me.greeted()

    assert isinstance(hello, Hello) and hello.player_id == 42
    assert count == 3
