"""What a socket may hold up, and what it may not: slow readers, floods, many sockets, the end of the server."""

import asyncio
import contextlib
import json
import os
import resource
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from croupier_http.ws import connection as connections
from croupier_http.ws import sockets as watching
from tests.http.served import serving
from tests.http.support import DEADLINE_S, Client, running, settings_for, token, until, until_ready
from tests.http.test_pages import samples
from tests.redis_server import administrator
from tests.ws.raw import TEXT, Raw, frame, raw_socket
from tests.ws.support import UNLIMITED, connected


async def metric(client: Client, name: str) -> float:
    return samples((await client.get("/metrics", bearer="")).body).get(name, 0.0)


def flood(number: int, commands: int = 60) -> bytes:
    """A frame of commands whose replies are much longer."""
    calls = [[f"{number}-{each}", "slot.spin", {"bet_amount": 7}] for each in range(commands)]
    return frame(json.dumps(calls).encode())


async def test_given_a_client_that_does_not_read_when_it_asks_on_then_memory_is_bounded_and_all_is_answered(
    client: Client,
) -> None:
    commands = 0
    async with raw_socket(client) as raw:
        raw.writer.transport.set_write_buffer_limits(high=2**20)
        before = await metric(client, 'game_commands_total{command="slot.spin",outcome="BET_OUT_OF_RANGE"}')

        async def ran() -> float:
            name = 'game_commands_total{command="slot.spin",outcome="BET_OUT_OF_RANGE"}'
            return await metric(client, name) - before

        for number in range(400):
            raw.writer.write(flood(number))
            commands += 60
        stuck = await until_steady(ran)

        # The replies fill the sockets' buffers and 64 KiB of ours; then no command is begun.
        assert stuck < commands
        answered: set[str] = set()
        while len(answered) < commands:
            _, payload = await raw.read()
            frame_ = json.loads(payload)
            if isinstance(frame_, list):
                answered |= {reply[0] for reply in (frame_ if isinstance(frame_[0], list) else [frame_])}
        assert await ran() == commands


async def until_steady(value: Callable[[], Awaitable[float]]) -> float:
    """What the value is once it has stood still for a while, having moved."""
    last, times = await value(), 0
    while times < 15:
        await asyncio.sleep(0.05)
        now = await value()
        times = times + 1 if now == last and now else 0
        last = now
    return last


async def test_given_a_client_that_never_reads_when_it_takes_too_long_then_it_is_closed_with_1013(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "SLOW_MAX_S", 0.1)
    monkeypatch.setattr(watching, "_ROUND_S", 0.05)
    monkeypatch.setattr(connections, "CLOSING_TIMEOUT_S", 0.2)
    async with running(settings_for(redis_url, **UNLIMITED)) as client:
        closed = await metric(client, "websocket_slow_readers_closed_total")
        async with raw_socket(client) as raw:
            for number in range(600):
                raw.writer.write(flood(number))

            async def is_closed() -> bool:
                counted = await metric(client, "websocket_slow_readers_closed_total")
                return counted == closed + 1 and not await metric(
                    client, 'websocket_connections{kind="player"}'
                )

            await until(is_closed, "the end of the slow reader")
        async with connected(client) as other:
            assert (await other.command("ping"))[1] == 200


async def test_given_a_silent_client_when_pinged_then_one_that_answers_stays_and_one_that_does_not_is_ended(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "HEARTBEAT_S", 0.3)
    monkeypatch.setattr(watching, "_ROUND_S", 0.05)
    async with running(settings_for(redis_url)) as client, connected(client) as living:
        await living.push("hello")
        receiving = asyncio.create_task(living.ws.receive())  # answers pings
        async with raw_socket(client, bearer=token(43)) as dead:
            async with asyncio.timeout(10):
                rest = await dead.reader.read()
                while chunk := await dead.reader.read():
                    rest += chunk
        assert b"\x89\x00" in rest
        assert not receiving.done()
        receiving.cancel()
        await asyncio.gather(receiving, return_exceptions=True)


async def test_given_a_banned_player_when_a_command_is_refused_then_all_sockets_of_the_player_are_closed(
    client: Client, redis_url: str
) -> None:
    async with (
        connected(client) as one,
        connected(client) as other,
        connected(client, bearer=token(43)) as third,
    ):
        assert (await one.command("gacha.pull"))[1] == 200
        for socket in (one, other, third):
            await socket.push("hello")
        with administrator(redis_url) as inspector:
            inspector.setrange("{0}:player:42", 1, b"\x01")
        reply = await one.command("gacha.pull")

        assert (reply[1], reply[2]["code"]) == (403, "PLAYER_BANNED")
        assert await one.closed() == 4403
        assert await other.closed() == 4403
        assert (await third.command("ping"))[1] == 200
        async with connected(client) as again:
            assert await again.closed() == 4403


async def test_given_redis_away_when_commands_come_then_they_are_refused_and_hello_comes_once_it_is_back(
    redis_url: str,
) -> None:
    async with (
        running(settings_for("redis://127.0.0.1:1"), ready=False) as client,
        connected(client) as socket,
    ):
        reply = await socket.command("gacha.pull")
        assert (reply[1], reply[2]["code"]) == (503, "NOT_READY")
        assert reply[3]["retry_after"] >= 1
        assert socket.pushes == []


async def test_given_commands_under_way_when_the_server_stops_then_they_are_answered_then_reconnect_then_1012(
    redis_url: str,
) -> None:
    async with serving(settings_for(redis_url)) as (server, client):
        await until_ready(client)
        async with contextlib.AsyncExitStack() as stack:
            opened = [
                await stack.enter_async_context(connected(client, bearer=token(n))) for n in range(1, 6)
            ]
            for socket in opened:
                await socket.push("hello")
            await opened[0].send([[n, "slot.spin", {"bet_amount": 100}] for n in range(300)])
            while not opened[0].replies:  # the frame has been read
                await opened[0].receive()
            server.process.send_signal(signal.SIGTERM)
            while len(opened[0].replies) < 300:
                await opened[0].receive()
            for socket in opened:
                hint = await socket.push("reconnect")
                assert 0 <= hint["after_ms"] <= 10_000
                assert await socket.closed() == 1012
            assert await server.ended() == 0


async def test_given_a_worker_that_is_busy_when_a_crowd_connects_then_all_wait_in_the_system_and_none_is_put_off(
    redis_url: str,
) -> None:
    crowd = min(600, int(Path("/proc/sys/net/core/somaxconn").read_text()))
    async with serving(settings_for(redis_url)) as (server, client), contextlib.AsyncExitStack() as stack:
        await until_ready(client)
        worker_pid = (await server.event("worker started"))["worker_pid"]
        os.kill(worker_pid, signal.SIGSTOP)
        stack.callback(os.kill, worker_pid, signal.SIGCONT)
        async with asyncio.timeout(DEADLINE_S):
            for _ in range(crowd):
                _, writer = await asyncio.open_connection("127.0.0.1", client.port)
                stack.callback(writer.close)


@pytest.mark.timeout(180)
async def test_given_many_idle_sockets_when_open_then_each_is_greeted_and_the_worker_serves(
    redis_url: str,
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    count = min(1_500, (hard - 500) // 2)
    try:
        async with serving(settings_for(redis_url)) as (_, client), contextlib.AsyncExitStack() as stack:
            await until_ready(client)

            async def open_one(uid: int) -> Raw:
                return await stack.enter_async_context(raw_socket(client, bearer=token(uid)))

            opened: list[Raw] = []
            for first in range(0, count, 100):
                opened += await asyncio.gather(*(open_one(uid + 1) for uid in range(first, first + 100)))
            for raw in opened:
                opcode, payload = await raw.read()
                hello: dict[str, Any] = json.loads(payload)
                assert (opcode, hello["type"]) == (TEXT, "hello")
            assert await metric(client, 'websocket_connections{kind="player"}') == count
            opened[0].writer.write(frame(b'[1,"ping",{}]'))
            assert (await opened[0].read())[1].startswith(b"[1,200,")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
