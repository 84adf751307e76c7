"""The simulated machines: a Valkey with what may take its place, a Postgres, workers and daemons."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, Final

import asyncpg
from msgspec.structs import replace

from croupier.durability import Durability
from croupier.engine import Engine
from croupier.query import Sources
from croupier.room import keep_measuring
from croupier.settings import Settings
from croupier.sweeper import keep_sweeping
from croupier.transport import Transport
from croupier_http.keeper import keep_connected
from croupier_sync.main import run as run_daemon
from tests.simulation.loop import VirtualLoop, running_process
from tests.simulation.network import Network, Weather
from tests.simulation.postgres.connection import ModelConnection
from tests.simulation.postgres.server import UNIX_S_AT_ZERO, ModelPostgres
from tests.simulation.process import Process
from tests.simulation.valkey.log import Log
from tests.simulation.valkey.server import Valkey

VALKEY: Final = "valkey"
SETTINGS: Final = Settings(
    redis_url=f"redis://{VALKEY}:6379",
    database_url="postgresql://model/croupier",
    master_keys=f"1:{bytes(range(32)).hex()}",
    command_timeout_seconds=0.6,
    durability_timeout_seconds=1.0,
    crash_db_strict=True,
)
INSTALLATION: Final = "simulated"


class Worker:
    """A process with the engine, as an HTTP worker has it, without HTTP."""

    def __init__(self, world: "World", name: str) -> None:
        self.process = Process(world.loop, name)
        self.sources: Sources | None = None
        self.process.on_kill.append(lambda: world.close_connections_of(self.process))
        self.process.start(self._main(world.settings))

    async def _main(self, settings: Settings) -> None:
        transport = Transport(settings.redis_url)
        pool = await asyncpg.create_pool(
            settings.database_url, min_size=0, max_size=4, timeout=2.0, command_timeout=2.0
        )
        durability = Durability(pool, settings.durability_timeout_seconds, settings.redis_url)
        engine = Engine(transport, settings, durability)
        self.sources = Sources(engine, pool)
        await asyncio.gather(
            keep_connected(engine, None),
            keep_sweeping(engine),
            durability.keep_listening(),
            keep_measuring(engine, pool),
        )


class Daemon:
    """A process with the sync daemon."""

    def __init__(self, world: "World", name: str) -> None:
        self.process = Process(world.loop, name)
        self.process.on_kill.append(lambda: world.close_connections_of(self.process))
        self.process.start(run_daemon(world.settings, asyncio.Event()))


@dataclass
class PostgresWeather:
    """How bad Postgres is: probabilities per statement, and how long each takes."""

    chance: Random
    slow_s: float = 0.002
    lost_before: float = 0.0
    lost_after: float = 0.0

    def clear_up(self) -> None:
        self.slow_s, self.lost_before, self.lost_after = 0.002, 0.0, 0.0

    async def before(self, connection: ModelConnection, _name: str) -> None:
        await self._pass(connection, self.lost_before)

    async def after(self, connection: ModelConnection, _name: str) -> None:
        await self._pass(connection, self.lost_after)

    async def _pass(self, connection: ModelConnection, lost: float) -> None:
        await asyncio.sleep(self.chance.uniform(0.0001, self.slow_s))
        if lost and self.chance.random() < lost:
            connection.kill()


class World:
    """Everything that there is. `chance` decides all that is not decided by the product.

    `held_statement`: the so-many-th next statement of a daemon arrives so many seconds later than it should.
    """

    def __init__(self, loop: VirtualLoop, chance: Random, say: Callable[..., None]) -> None:
        self.loop = loop
        self.chance = chance
        self.say = say
        self.weather = Weather(Random(chance.random()))
        self.network = Network(loop, self.weather)
        loop.dialler = self.network
        self.postgres = ModelPostgres(INSTALLATION)
        self.postgres_weather = PostgresWeather(Random(chance.random()))
        self.postgres.whose = running_process.get
        self.postgres.before_statement = self._before_statement
        self.postgres.after_statement = self.postgres_weather.after
        self._identities = Random(chance.random())
        self.histories: list[Log] = []
        self.valkey = self.new_valkey(Log())
        self.network.hosts[VALKEY] = self.valkey
        self.workers: dict[str, Worker] = {}
        self.daemons: dict[str, Daemon] = {}
        self.turn_of_valkey = asyncio.Lock()
        self.settings = replace(SETTINGS, durability=chance.choice(("redis", "postgres")))
        self.held_statement: tuple[int, float] | None = None

    async def _before_statement(self, connection: ModelConnection, name: str) -> None:
        if self.held_statement is not None and connection.owner in [
            each.process for each in self.daemons.values()
        ]:
            left, pause_s = self.held_statement
            self.held_statement = (left - 1, pause_s) if left > 1 else None
            if left == 1:
                self.say("statement held", name, pause_s)
                await asyncio.sleep(pause_s)
        await self.postgres_weather.before(connection, name)

    def close_connections_of(self, process: Process) -> None:
        """What a kernel does when a process is gone."""
        self.network.cut_all_of(process)
        for connection in self.postgres.connections_of(process):
            connection.kill()

    def clock_ms(self) -> int:
        """Unix time in ms."""
        return int((UNIX_S_AT_ZERO + self.loop.now_s) * 1_000)

    def new_valkey(self, log: Log) -> Valkey:
        self.histories.append(log)
        return Valkey(self.loop, VALKEY, log, self._identities, self.clock_ms)

    def replace_valkey(self, server: Valkey) -> None:
        """From now on this one is found under the name."""
        self.valkey = server
        self.network.hosts[VALKEY] = server

    def kill(self, server: Valkey) -> None:
        """The process is gone, and its connections with it."""
        server.process.kill()
        self.close_connections_of(server.process)

    def demote(self, server: Valkey, master: Valkey, log: Log) -> None:
        """Make a server a replica of another one, of whose log it has this."""
        self.histories.append(log)
        server.demote(master.replid, log)

    def start_valkey(self, log: Log) -> None:
        """Start a server with what its disk holds."""
        self.replace_valkey(self.new_valkey(log))

    def start_worker(self, name: str) -> None:
        if name in self.workers:
            self.workers[name].process.kill()
        self.workers[name] = Worker(self, name)

    def start_daemon(self, name: str) -> None:
        if name in self.daemons:
            self.daemons[name].process.kill()
        self.daemons[name] = Daemon(self, name)

    def processes(self) -> list[Process]:
        """Of the product."""
        return [each.process for each in self.workers.values()] + [
            each.process for each in self.daemons.values()
        ]

    async def settle(self, wanted: Callable[[], Any], timeout_s: float, what: str) -> None:
        """Wait until something holds. Raises TimeoutError."""
        until_s = self.loop.now_s + timeout_s
        while not wanted():
            if self.loop.now_s > until_s:
                raise TimeoutError(f"not within {timeout_s:g} s: {what}")
            await asyncio.sleep(0.05)

    def is_being_healed(self) -> bool:
        """Whether a healer has marked the partition."""
        head: Any = self.valkey.store.keys.get(b"{0}:head", {})
        return bool(head.get(b"healing"))

    def is_followed(self) -> bool:
        """Whether the partition is open for the server that is there, and Postgres holds its whole log."""
        head: Any = self.valkey.store.keys.get(b"{0}:head")
        if not isinstance(head, dict) or not head.get(b"fence") or not head.get(b"economy"):
            return False
        if head[b"identity"] != f"{self.valkey.run_id}:{self.valkey.replid}".encode():
            return False
        stream: Any = self.valkey.store.keys.get(b"{0}:outbox:" + head[b"fence"])
        row = self.postgres.rows("partitions")[0]
        return stream is not None and stream.last_id == (row["epoch"], row["seq"])
