"""Connections that die without a word: a stream notices while commands wait, and sends them again elsewhere."""

import asyncio
import json
from typing import Any

import pytest
from aiohttp import web

from croupier_client import CroupierUnavailable
from tests.client.sockets import HELLO, SPUN, stream, talking


class Swallowing:
    """The first socket takes in what comes, and nothing ever comes back: no answer, no pong and no close frame.

    Later sockets answer. `heard` are the frames, by the number of their socket.
    """

    def __init__(self) -> None:
        self.heard: list[tuple[int, Any]] = []

    async def __call__(self, socket: web.WebSocketResponse, number: int) -> None:
        async for message in socket:
            frame = json.loads(message.data)
            self.heard.append((number, frame))
            if number == 1:
                await asyncio.Event().wait()
            calls = frame if isinstance(frame[0], list) else [frame]
            await socket.send_json([[call[0], 200, SPUN] for call in calls])


async def test_given_a_connection_that_dies_silently_when_called_then_the_command_is_sent_again_under_its_key() -> (
    None
):
    server = Swallowing()
    # In less time than the other end has to answer a close frame.
    async with talking(server) as url, stream(url, attempt_s=0.1, deadline_s=1.8) as me:
        await asyncio.gather(me.spin(bet_amount=100), me.spin(bet_amount=200))

    first, second = server.heard
    assert (first[0], second[0]) == (1, 2)
    assert first[1] == second[1]


async def test_given_more_than_the_network_holds_when_the_server_reads_nothing_then_it_is_sent_elsewhere() -> (
    None
):
    server = Swallowing()

    async def talk(socket: web.WebSocketResponse, number: int) -> None:
        if number == 1:
            assert socket._req is not None and socket._req.transport is not None
            socket._req.transport.pause_reading()
            await asyncio.Event().wait()
        await server(socket, number)

    async with talking(talk) as url, stream(url, attempt_s=0.1, in_flight_max=800, frames_per_second=0) as me:
        large = [f"{number:03}" + "k" * 15_000 for number in range(800)]
        await asyncio.gather(*(me.options(key=key).spin(bet_amount=100) for key in large))

    assert {number for number, _ in server.heard} == {2}


async def test_given_calls_with_short_deadlines_when_none_is_answered_then_the_socket_is_lost_all_the_same() -> (
    None
):
    server = Swallowing()
    async with talking(server) as url, stream(url, attempt_s=0.4) as me:
        for _ in range(3):
            with pytest.raises(CroupierUnavailable):
                await me.options(deadline_s=0.05).spin(bet_amount=100)
        await me.options(key="last").spin(bet_amount=100)

    assert server.heard[-1][0] == 2
    assert server.heard[-1][1][3] == "last"


async def test_given_an_answer_that_takes_long_when_other_frames_come_then_the_socket_is_kept() -> None:
    count = 0

    async def talk(socket: web.WebSocketResponse, number: int) -> None:
        nonlocal count
        count = number
        async for message in socket:
            for _ in range(12):
                await asyncio.sleep(0.04)
                await socket.send_json(HELLO)
            await socket.send_json([json.loads(message.data)[0], 200, SPUN])

    async with talking(talk) as url, stream(url, attempt_s=0.2) as me:
        await me.spin(bet_amount=100)

    assert count == 1


async def test_given_nothing_that_waits_when_the_server_is_silent_then_the_socket_is_kept() -> None:
    count = 0

    async def talk(socket: web.WebSocketResponse, number: int) -> None:
        nonlocal count
        count = number
        async for message in socket:
            await socket.send_json([json.loads(message.data)[0], 200, SPUN])

    async with talking(talk) as url, stream(url, attempt_s=0.1) as me:
        for _ in range(2):
            await asyncio.sleep(0.2)
            await me.spin(bet_amount=100)

    assert count == 1
