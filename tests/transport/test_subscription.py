"""Listening to channels over a connection whose other end goes away without a word."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import redis

from croupier.transport import Subscription
from tests.transport.proxy import Direction, Kind, Proxy
from tests.transport.support import until


class Listener:
    """What a subscription to the channel `news` has heard. Its patience is short."""

    def __init__(self, url: str) -> None:
        self.begun = 0
        self.lost = 0
        self.heard: list[bytes] = []
        self._subscription = Subscription(url, ["news"], silence_max_s=0.05, pong_timeout_s=0.3)

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._subscription.listen(self._hear, self._begin, self._lose))
        try:
            await until(lambda: self.begun == 1, "the beginning")
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    def _hear(self, _channel: str, message: bytes) -> None:
        self.heard.append(message)

    def _begin(self, _channel: str) -> None:
        self.begun += 1

    def _lose(self) -> None:
        self.lost += 1


async def test_given_a_connection_that_swallows_everything_when_it_stays_silent_then_another_one_listens(
    proxy: Proxy, control: redis.Redis
) -> None:
    listener = Listener(proxy.url)
    async with listener.listening():
        proxy.disturb(Direction.REPLIES, Kind.HOLD, 0)

        await until(lambda: listener.begun == 2, "a second beginning")

        control.publish("news", b"heard again")
        await until(lambda: listener.heard == [b"heard again"], "the message")
        assert listener.lost == 1


async def test_given_a_server_that_answers_when_nothing_is_published_for_long_then_the_connection_is_kept(
    proxy: Proxy, control: redis.Redis
) -> None:
    listener = Listener(proxy.url)
    async with listener.listening():
        pings = proxy.requests(0).count([b"PING"])

        await until(lambda: proxy.requests(0).count([b"PING"]) >= pings + 3, "three more questions")

        assert (listener.begun, listener.lost) == (1, 0)
        control.publish("news", b"still heard")
        await until(lambda: listener.heard == [b"still heard"], "the message")
