"""What the pictures show: a whole casino that is played in, and loses its Redis for a while."""

import asyncio
import contextlib
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import msgspec
from msgspec.structs import replace

from croupier.economy import canonical, load_economy
from croupier_cli.embedded import Valkey
from croupier_client import MONITOR, Client, CroupierRefused, CroupierUnavailable, Stream, notifications_of
from croupier_http.auth import make_token
from croupier_schemas.economy import DailyLimit, Economy
from tests.cli.support import Up, command, environment, free_port, running_up
from tests.http.support import SECRET
from tests.ops.dashboards.prometheus import Prometheus, running_prometheus
from tests.redis_server import started_valkey

WORKERS: Final = 2
SOUND_S: Final = 80.0
AWAY_S: Final = 70.0
"""Longer than the minute after which CroupierBreakerOpen fires."""
BACK_S: Final = 75.0
_WARM_UP_DEADLINE_S: Final = 90.0
_LOADS: Final = (
    # Players within their limits, over HTTP and over WebSockets; then two who are not.
    "--rate 50 --players 300 --tier VIP --connections 16 --scenario pull=50 --scenario ten-pull=3 --scenario slot=20"
    " --scenario rps=15 --scenario balance=10",
    "--ws --rate 30 --players 40 --first-uid 1001 --connections 40 --scenario slot=3 --scenario rps=1",
    "--rate 3 --players 1 --first-uid 2001 --tier STANDARD --scenario slot",
    "--rate 3 --players 1 --first-uid 2002 --tier PREMIUM --scenario pull=1 --scenario crash=1",
)


class Course(msgspec.Struct, frozen=True):
    """When what was the case, as Unix times in seconds."""

    begin_s: float
    away_from_s: float
    away_until_s: float
    end_s: float


async def run_course(directory: Path, look: Callable[[Prometheus, Course], None]) -> None:
    """Play for about four minutes; then, while all still runs, `look`.

    Prometheus begins once there are draws in ClickHouse, which is asked for the odds every five minutes only.
    """
    with ExitStack() as running:
        house = _House(directory, running)
        async with _played_in(house):
            await _until_odds_are_known(house.admin)
            prometheus = running.enter_context(running_prometheus(directory / "prometheus", house.up.port))
            begin_s = time.time()
            await asyncio.sleep(SOUND_S)
            away_from_s = time.time()
            house.valkey.stop()
            await asyncio.sleep(AWAY_S)
            house.start_empty_valkey()
            away_until_s = time.time()
            await asyncio.sleep(BACK_S)
            look(prometheus, Course(begin_s, away_from_s, away_until_s, time.time()))
        house.up.stop()


class _House:
    """A `croupier up` with its own Postgres, Kafka and ClickHouse, on a Valkey that can be taken away from it."""

    def __init__(self, directory: Path, running: ExitStack) -> None:
        self._data, self._port = directory / "valkey", free_port()
        self.valkey = self._start()
        running.callback(lambda: self.valkey.stop())
        economy = directory / "economy.json"
        economy.write_bytes(canonical(_economy()))
        self.up: Up = running.enter_context(
            running_up(
                directory / "croupier",
                REDIS_URL=self.valkey.url,
                JWT_SECRET_KEY=SECRET,
                CROUPIER_ECONOMY=str(economy),
                CROUPIER_WORKERS=str(WORKERS),
                KAFKA_ENABLED="true",
                CLICKHOUSE_ENABLED="true",
            )
        )

    def start_empty_valkey(self) -> None:
        """Another one in the place of the one that was stopped, which has lost everything."""
        shutil.rmtree(self._data)
        self.valkey = self._start()

    @property
    def admin(self) -> Client:
        return self.client(1, admin=True)

    def client(self, uid: int, *, admin: bool = False) -> Client:
        return Client(self.up.ready["url"], self.token(uid, admin=admin), deadline_s=1)

    def token(self, uid: int, *, admin: bool = False) -> str:
        return make_token(SECRET, uid, "VIP", "admin" if admin else "user", 3600)

    def _start(self) -> Valkey:
        return started_valkey(self._data, port=self._port, extra=("--maxmemory", "64mb"))


def _economy() -> Economy:
    """The default one with players who do not run out of money, and days that are over sooner."""
    economy = load_economy()
    festival = economy.gacha.banners["festival"]
    banners = economy.gacha.banners | {"festival": replace(festival, stock={"Legendary": 40, "Epic": 300})}
    limits = DailyLimit(STANDARD=30, PREMIUM=60, VIP=100)
    return replace(
        economy,
        initial_tokens=10**9,
        initial_gems=10**6,
        gacha=replace(economy.gacha, banners=banners, daily_limit=limits),
    )


@contextlib.asynccontextmanager
async def _played_in(house: _House) -> AsyncIterator[None]:
    """Load from `croupier load`, and what that does not do, while the block runs."""
    url = house.up.ready["url"]
    tasks = [
        *(asyncio.create_task(_keep_loading(url, words)) for words in _LOADS),
        *(asyncio.create_task(_again_and_again(house, act)) for act in (_pull_limited, _repeat, _look_in)),
        asyncio.create_task(_listen(Stream(url, house.token(1, admin=True), path=MONITOR))),
        asyncio.create_task(_listen(Stream(url, house.token(3001), path=notifications_of(3001)))),
    ]
    try:
        yield
        for task in tasks:
            if task.done():
                task.result()  # why it ended, which none of them should
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _keep_loading(url: str, words: str) -> None:
    """`croupier load`, started again where it gives up, which it does after ten seconds without a connection."""
    while True:
        process = await asyncio.create_subprocess_exec(
            *command("load", "--url", url, "--duration", "10m", *words.split()),
            env=environment(JWT_SECRET_KEY=SECRET),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=sys.stderr if "-v" in sys.argv else subprocess.DEVNULL,
        )
        try:
            await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def _again_and_again(house: _House, act: Callable[[_House, int], Awaitable[None]]) -> None:
    for number in range(1_000_000):
        with contextlib.suppress(CroupierRefused, CroupierUnavailable, TimeoutError):
            await act(house, number)
        await asyncio.sleep(1)


async def _pull_limited(house: _House, number: int) -> None:
    """Ten of a banner of which there are not many, for gems."""
    async with house.client(3001 + number % 20) as client:
        await client.pull(count=10, banner="festival", use_premium_currency=True)


async def _repeat(house: _House, number: int) -> None:
    """A spin and a reward that are asked for twice."""
    async with house.client(3001) as player, house.admin as admin:
        for _ in range(2):
            await player.options(key=f"spin-{number}").spin(bet_amount=100)
            await admin.distribute(
                user_id=3001,
                reward_type="TOKENS",
                amount=10,
                source_description="a gift",
                key=f"gift-{number}",
            )


async def _look_in(house: _House, number: int) -> None:
    """A socket that is opened and closed again."""
    if number % 3 == 0:
        async with Stream(house.up.ready["url"], house.token(3002)) as stream, asyncio.timeout(2):
            await stream.greeted()


async def _listen(stream: Stream) -> None:
    async with stream:
        async for _ in stream:
            pass


async def _until_odds_are_known(admin: Client) -> None:
    async with admin, asyncio.timeout(_WARM_UP_DEADLINE_S):
        while True:
            with contextlib.suppress(CroupierRefused, CroupierUnavailable):
                if any(item.p_value is not None for item in (await admin.drawn_odds(days=7)).items):
                    return
            await asyncio.sleep(1)
