"""What the peers on Redis share: a pool of connections, the names of the keys, and the audit of what they hold."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from bench.peers.peer import Audit, Counts, Setup, audit
from bench.peers.rules import Event, Rules

EVENTS: Final = "events"
"""A stream: one entry a pull, with the packed event in the field `e`."""

_WAIT_S = 30.0
_PAGE = 5_000

encode = msgspec.msgpack.Encoder().encode
_decode_event = msgspec.msgpack.Decoder(Event).decode


def stock_key(rarity: int) -> str:
    """What is left of a limited rarity: a key for each, so that one does not stand in the way of another."""
    return f"stock:{rarity}"


def player_key(uid: int) -> str:
    return f"player:{uid}"


class OnRedis(ABC):
    """The connections, the stock, and the audit. The subclass knows how a player is kept."""

    def __init__(self, setup: Setup, rules: Rules) -> None:
        self.counts = Counts()
        self.rules = rules
        self._players = 0
        pool = BlockingConnectionPool.from_url(
            setup.url,
            max_connections=setup.connections,
            timeout=_WAIT_S,
            # What fails is to be seen, and nothing may be applied twice.
            retry=Retry(NoBackoff(), 0),
        )
        self.redis: Any = Redis.from_pool(pool)

    async def open(self, players: int) -> None:
        self._players = players
        async with self.redis.pipeline(transaction=False) as pipe:
            pipe.flushall()
            for rarity, stock in self.rules.stock.items():
                pipe.set(stock_key(rarity), stock)
            for uid in range(1, players + 1):
                self.add_player(pipe, uid)
            await pipe.execute()

    @abstractmethod
    def add_player(self, pipe: Any, uid: int) -> None:
        """Put a new player into a pipeline."""

    @abstractmethod
    async def tokens(self, uids: Iterable[int]) -> list[int]:
        """The players' balances."""

    async def audit(self) -> Audit:
        uids = range(1, self._players + 1)
        balances = dict(zip(uids, await self.tokens(uids), strict=True))
        left = {rarity: int(await self.redis.get(stock_key(rarity))) for rarity in self.rules.stock}
        events = [event async for page in self._pages() for event in page]
        return audit(self.rules, events, balances, left)

    async def _pages(self) -> Any:
        start = "-"
        while page := await self.redis.xrange(EVENTS, start, "+", _PAGE):
            yield self._events(page)
            start = f"({page[-1][0].decode()}"

    @staticmethod
    def _events(page: Any) -> Iterator[tuple[int, int, int]]:
        for _, fields in page:
            event = _decode_event(fields[b"e"])
            yield event.uid, event.nonce, event.rarity

    async def close(self) -> None:
        await self.redis.aclose()
