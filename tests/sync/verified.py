"""A casino in which all games were played, for the tests of what verifies, copies and restores its tables."""

import time
from random import Random

import asyncpg

from croupier.pool import add_to_pool
from croupier.rewards.distribute import DISTRIBUTE
from croupier.scripts import Scripts
from croupier_schemas.rewards import RewardsDistribute
from croupier_sync.server import Server
from croupier_sync.verification import Verdict, verify
from tests.sync.play import HOUR_MS, Players
from tests.sync.support import PARTITION, Casino

UIDS = (1, 2, 3)
MONTH_MS = 30 * 24 * HOUR_MS


async def play_everything(casino: Casino, rounds: int = 60) -> None:
    """Rounds of all games, sessions, rewards, stock and rotated seeds, all of them in Postgres; no daemon runs then.

    All of it was some weeks ago, so that the clock is not behind when the casino is opened again.
    """
    pool = asyncpg.create_pool(casino.database_url, min_size=1, max_size=2)
    async with pool, casino.daemon():
        await casino.until_open()
        players, rng = Players(casino, pool), Random(1)
        players.clock.now_ms = round(time.time() * 1000) - MONTH_MS
        for uid in UIDS:
            await players.session(uid, "slot")
        for _ in range(rounds):
            await players.play(rng, rng.choice(UIDS))
        await add_to_pool(
            casino.transport,
            Scripts(),
            PARTITION,
            banner="festival",
            rarity="Legendary",
            amount=5,
            reason="more",
        )
        for number, uid in enumerate((1, 2, 1)):
            gift = RewardsDistribute(uid, "TOKENS", 5_000, "Welcome gift", f"welcome-{number}")
            await players.give(DISTRIBUTE, uid, gift)
        for uid in UIDS[:2]:
            await casino.rotate(uid)
            await players.play(rng, uid)
        await casino.until_caught_up()


async def verdict(casino: Casino) -> Verdict:
    """What is found in Postgres, and in Redis beside it."""
    return await verify(casino.connection, Server(casino.transport))


async def found(casino: Casino) -> list[tuple[str, str | None]]:
    """The check and the event of each problem."""
    return [(problem.check, problem.event_id) for problem in (await verdict(casino)).problems]
