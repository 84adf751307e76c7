"""Players in a process of their own, who pull through an engine as an HTTP worker has it.

Each line of standard input asks for a round of calls (`Round`, in JSON); for each the seconds that it took come back.
"""

import asyncio
import itertools
import os
import sys
import time
from collections.abc import Iterator

import asyncpg
import msgspec
import uvloop

from croupier.command import Caller
from croupier.durability import Durability
from croupier.engine import Engine
from croupier.errors import CroupierError
from croupier.gacha.pull import PULL
from croupier.op_id import OpIds
from croupier.settings import Settings
from croupier.transport import Transport
from croupier_schemas.gacha import GachaPull

PLAYERS = 4_096


class Round(msgspec.Struct):
    """So many pulls, by so many callers at a time, each answered at that level of durability."""

    calls: int
    durability: str
    callers: int


class Players:
    """Callers that come one after another; each is answered before it calls again."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._op_ids = OpIds(engine.now_ms)
        self._uids = itertools.cycle(range(1, PLAYERS + 1))

    async def until_open(self) -> None:
        """Return when pulls succeed."""
        while True:
            try:
                await self._engine.views.in_force(0)
                return
            except CroupierError:
                await asyncio.sleep(0.02)

    async def play(self, calls: int, callers: int) -> None:
        """Make the calls of one round."""
        left = iter(range(calls))
        await asyncio.gather(*(self._call(left) for _ in range(callers)))

    async def _call(self, left: Iterator[int]) -> None:
        for _ in left:
            caller = Caller(next(self._uids), "STANDARD", "user", self._op_ids.new())
            await self._engine.execute(PULL, caller, GachaPull(1, "standard", False))


async def main() -> None:
    settings = Settings.from_environment(os.environ)
    transport = Transport(settings.redis_url)
    await transport.open()
    pool = await asyncpg.create_pool(settings.database_url, min_size=1, max_size=8)
    durability = Durability(pool, 30.0, settings.redis_url)
    listening = asyncio.create_task(durability.keep_listening())
    players = {
        level: Players(Engine(transport, msgspec.structs.replace(settings, durability=level), durability))
        for level in ("redis", "postgres")
    }
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        asked = msgspec.json.decode(line, type=Round)
        await players[asked.durability].until_open()
        started = time.perf_counter()
        await players[asked.durability].play(asked.calls, asked.callers)
        print(time.perf_counter() - started, flush=True)
    listening.cancel()
    await pool.close()
    await transport.close()


if __name__ == "__main__":
    uvloop.run(main())
