"""How many commands of a socket are begun in a second: further ones wait, and so does reading."""

import asyncio
import contextlib

import pytest

from croupier_http.ws import channel as channels
from croupier_http.ws.connection import Connection
from tests.http.support import Client, running, settings_for
from tests.ws.support import Socket, connected
from tests.ws.test_bounds import metric
from tests.ws.test_endings import opened

__all__ = ["opened"]

REFUSED = [1, "slot.spin", {"bet_amount": 7}]
RAN = 'game_commands_total{command="slot.spin",outcome="BET_OUT_OF_RANGE"}'


class Clock:
    """The channels' clock, which stands still until it is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 1000.0
        monkeypatch.setattr(channels, "monotonic", lambda: self.now_s)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


async def test_given_more_commands_than_a_second_takes_when_sent_then_they_wait_for_the_next_ones(
    redis_url: str, clock: Clock, opened: list[Connection]
) -> None:
    async with running(settings_for(redis_url, ws_commands_per_second=10)) as client:
        before = await metric(client, RAN)
        async with connected(client) as socket, connected(client) as other:
            await socket.send([[number, *REFUSED[1:]] for number in range(25)])
            await socket.send([25, "ping", {}])
            for second in (1, 2, 3):
                await all_replies(socket, min(10 * second, 26))
                assert (await other.command("ping"))[1] == 200
                assert len(socket.replies) == min(10 * second, 26)
                assert await metric(client, RAN) - before == min(10 * second, 25)
                assert opened[0]._transport.is_reading() is (second == 3)
                clock.now_s += 1

            assert sorted(reply[0] for reply in socket.replies) == list(range(26))
            socket.replies.clear()
            assert (await socket.command("ping"))[1] == 200


async def test_given_frames_of_few_commands_when_they_come_to_more_than_a_second_takes_then_the_rest_waits(
    redis_url: str, clock: Clock
) -> None:
    async with (
        running(settings_for(redis_url, ws_commands_per_second=9)) as client,
        connected(client) as socket,
        connected(client) as other,
    ):
        for number in range(7):
            await socket.send([[2 * number, "ping", {}], [2 * number + 1, "ping", {}]])
        await all_replies(socket, 9)
        assert (await other.command("ping"))[1] == 200
        assert len(socket.replies) == 9
        clock.now_s += 1
        await all_replies(socket, 14)


@pytest.mark.usefixtures("clock")
async def test_given_no_limit_when_thousands_of_commands_come_in_a_second_then_all_are_answered(
    client: Client,
) -> None:
    async with connected(client) as socket:
        for _ in range(3):
            assert len(await socket.ask(*[[number, "x", {}] for number in range(900)])) == 900


@pytest.mark.usefixtures("clock")
async def test_given_commands_that_wait_for_a_second_when_the_server_stops_then_they_are_answered(
    redis_url: str,
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        async with running(settings_for(redis_url, ws_commands_per_second=10)) as client:
            socket = await stack.enter_async_context(connected(client))
            await socket.send([[number, *REFUSED[1:]] for number in range(25)])
            await all_replies(socket, 10)
            reading = asyncio.create_task(to_the_end(socket, 25))
        assert await reading == 1012


async def to_the_end(socket: Socket, count: int) -> int:
    """Take in so many replies, and the end; its code."""
    await all_replies(socket, count)
    return await socket.closed()


async def all_replies(socket: Socket, count: int) -> None:
    """Take in what comes until there are so many replies."""
    while len(socket.replies) < count:
        await socket.receive()
