"""Rate limiters on Redis, each behind the client that it comes with or is mostly used with."""

import itertools
import shutil
from pathlib import Path
from typing import Any, Final, Protocol

from limits import RateLimitItemPerSecond
from limits.aio.storage import RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter, SlidingWindowCounterRateLimiter
from redis.asyncio import Redis

import croupier_lua
from croupier.scripts import Scripts
from croupier.transport import Transport

_HERE = Path(__file__).parent
_CALLS_A_MINUTE_MAX: Final = 600


class Limiter(Protocol):
    """A limit of so many calls of a player in any window of so many seconds."""

    async def hit(self, uid: int) -> bool:
        """Whether a call is let through; it is counted then."""

    async def close(self) -> None:
        """Disconnect."""


class Ours:
    """The stage `rate_limit` in the smallest script that it runs in, through Croupier's transport.

    It always has two windows, of a second and of a minute; the one that is not asked for is as wide as it can be.
    """

    def __init__(self, transport: Transport, scripts: Scripts, calls: int, window_s: int) -> None:
        self._transport = transport
        self._script = scripts["rate.limit"]
        self._argv = self._script.argv(calls, calls if window_s == 60 else _CALLS_A_MINUTE_MAX, 0)

    @classmethod
    async def open(cls, url: str, calls: int, window_s: int, directory: Path) -> "Ours":
        """`directory` is empty, for the scripts."""
        assert window_s in (1, 60)
        transport = Transport(url)
        await transport.open()
        return cls(transport, _script_alone(directory), calls, window_s)

    async def hit(self, uid: int) -> bool:
        keys = self._script.key_names({"p": "0", "uid": str(uid)})
        reply: Any = await self._transport.run(self._script, keys, self._argv)
        return bool(reply[0] == b"OK")

    async def close(self) -> None:
        await self._transport.close()


def _script_alone(directory: Path) -> Scripts:
    """The stages of Croupier's scripts, and `rate_limit.lua` as the only script."""
    shutil.copytree(str(croupier_lua.ROOT / "include"), directory / "include", dirs_exist_ok=True)
    (directory / "rate").mkdir(exist_ok=True)
    shutil.copy(_HERE / "rate_limit.lua", directory / "rate" / "limit.lua")
    return Scripts(directory)


class SortedSet:
    """A sorted set of calls, in a script through redis-py."""

    def __init__(self, url: str, calls: int, window_s: int) -> None:
        self._redis: Any = Redis.from_url(url)
        self._script = self._redis.register_script((_HERE / "sorted_set.lua").read_text("utf-8"))
        self._limit = (calls, window_s * 1_000_000)
        self._numbers = itertools.count()

    async def hit(self, uid: int) -> bool:
        return bool(await self._script([f"calls:{uid}"], [*self._limit, next(self._numbers)]))

    async def close(self) -> None:
        await self._redis.aclose()


class Limits:
    """The package `limits` with its storage in Redis, through redis-py."""

    def __init__(
        self,
        strategy: type[MovingWindowRateLimiter] | type[SlidingWindowCounterRateLimiter],
        url: str,
        calls: int,
        window_s: int,
    ) -> None:
        self._storage = RedisStorage(f"async+redis+{url}", implementation="redispy")
        self._limiter = strategy(self._storage)
        self._item = RateLimitItemPerSecond(calls, window_s)

    async def hit(self, uid: int) -> bool:
        return await self._limiter.hit(self._item, str(uid))

    async def close(self) -> None:
        bridge: Any = self._storage.bridge
        await bridge.get_connection().aclose()


async def open_limiter(name: str, url: str, calls: int, window_s: int, directory: Path) -> Limiter:
    """The limiter of that name, of those in `LIMITERS`, on the Redis at a unix socket."""
    match name:
        case "ours":
            return await Ours.open(url, calls, window_s, directory)
        case "sorted set":
            return SortedSet(url, calls, window_s)
        case "limits, moving window":
            return Limits(MovingWindowRateLimiter, url, calls, window_s)
        case "limits, sliding window counter":
            return Limits(SlidingWindowCounterRateLimiter, url, calls, window_s)
    raise ValueError(name)


PEERS: Final = ("sorted set", "limits, moving window", "limits, sliding window counter")
