"""A small casino for the tests of the sync daemon: players that pull, daemons that follow, and what both sides hold."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
import msgspec
from msgspec.structs import replace

from croupier.command import Caller
from croupier.durability import Durability
from croupier.economy import load_economy
from croupier.engine import Engine
from croupier.errors import CroupierError
from croupier.fairness.rotate import ROTATE
from croupier.fairness.seeds import MasterKeys
from croupier.gacha.pull import PULL
from croupier.op_id import OpIds
from croupier.partition import Head, read_head
from croupier.settings import Settings
from croupier.transport import Transport
from croupier_schemas import keys
from croupier_schemas.economy import DailyLimit, Economy, Tier
from croupier_schemas.events import Event, EventId, decode_entry
from croupier_schemas.fairness import FairnessRotate
from croupier_schemas.gacha import GachaPull, GachaPullReply
from croupier_schemas.records import LAYOUTS, PLAYER
from croupier_sync.daemon import PartitionSync
from croupier_sync.limits import DEFAULT_LIMITS, Limits
from croupier_sync.status import Status
from tests.redis_server import administer

PARTITION = 0
DEADLINE_S = 20.0
OTHER_SERVER = "0" * 40 + ":" + "1" * 40

MASTER_KEYS = MasterKeys.generate()

TABLES = (
    "events",
    "mirror",
    "game_history",
    "wallet_ledger",
    "gacha_daily",
    "pool_hours",
    "game_stats",
    "crash_sessions",
    "game_sessions",
    "user_rewards",
    "notifications",
    "notification_reads",
    "economy_versions",
    "partitions",
)


def generous_economy(initial_tokens: int = 10**9) -> Economy:
    """The default economy for players who never run out of tokens, gems or pulls, nor into a limit."""
    economy = load_economy()
    limits = DailyLimit(STANDARD=10_000, PREMIUM=10_000, VIP=10_000)
    gacha = replace(economy.gacha, daily_limit=limits)
    unlimited = replace(economy.rate_limit, mode="shadow")
    return replace(
        economy, initial_tokens=initial_tokens, initial_gems=10**6, gacha=gacha, rate_limit=unlimited
    )


async def until(condition: Callable[[], Awaitable[Any]], what: str) -> Any:
    """What the condition returns as soon as that is true; fails the test after `DEADLINE_S`."""
    try:
        async with asyncio.timeout(DEADLINE_S):
            while not (value := await condition()):
                await asyncio.sleep(0.005)
            return value
    except TimeoutError:
        raise AssertionError(f"waited in vain for: {what}") from None


async def until_stopped(status: Status, reason: str) -> None:
    """Wait until an alarm has stopped the partition."""

    async def stopped() -> bool:
        return status.state == "stopped"

    await until(stopped, f"an alarm: {status}")
    assert status.reason == reason, status


async def until_following(status: Status) -> None:
    """Wait until the daemon says that it follows, which it does only after it has written what there was."""

    async def follows() -> bool:
        return status.state == "following"

    await until(follows, f"a daemon that follows: {status}")


@dataclass
class Casino:
    """One Redis, one migrated Postgres, an engine for the players; daemons come and go."""

    redis_url: str
    database_url: str
    transport: Transport
    connection: asyncpg.Connection
    engine: Engine
    economy: Economy

    @classmethod
    def of(
        cls, redis_url: str, database_url: str, transport: Transport, connection: asyncpg.Connection
    ) -> "Casino":
        """With an engine on this transport."""
        settings = Settings(redis_url=redis_url, database_url=database_url, master_keys=MASTER_KEYS)
        engine = Engine(transport, settings)
        return cls(redis_url, database_url, transport, connection, engine, generous_economy())

    # Players.

    async def pull(
        self,
        uid: int,
        count: int = 1,
        *,
        banner: str = "standard",
        gems: bool = False,
        tier: Tier = "STANDARD",
    ) -> GachaPullReply:
        """One pull; fails the test when it is refused."""
        request = GachaPull(1 if count == 1 else 10, banner, gems)
        return (await self.engine.execute(PULL, _caller(uid, tier), request)).reply

    async def rotate(self, uid: int) -> None:
        """Rotate a seed. This engine has no Postgres to ask, and looks in the outbox, which the daemon trims."""
        try:
            await self.engine.execute(ROTATE, _caller(uid, "STANDARD"), FairnessRotate())
        except CroupierError as error:
            if error.code != "DURABILITY_TIMEOUT":
                raise

    def unfollowed_engine(self) -> Engine:
        """An engine for while no daemon follows: it asks Postgres what was done before, and does not wait for it."""
        return Engine(self.transport, self.engine.settings, _Looking(self.database_url))

    async def until_open(self) -> Head:
        """Wait until pulls would succeed."""

        async def opened() -> Head | None:
            head = await self.head()
            ready = head and head.fence and head.economy and head.identity == str(self.transport.identity)
            return head if ready else None

        head: Head = await until(opened, "the partition to be open")
        return head

    # Daemons.

    @asynccontextmanager
    async def daemon(self, limits: Limits = DEFAULT_LIMITS) -> AsyncIterator[PartitionSync]:
        """A daemon with connections of its own, stopped at the end of the block as `croupier sync` stops."""
        transport = Transport(self.redis_url)
        await transport.open()
        sync = PartitionSync(transport, self.database_url, PARTITION, self.economy, limits)
        stop = asyncio.Event()
        running = asyncio.create_task(sync.run(stop))
        try:
            yield sync
        finally:
            stop.set()
            await running
            await transport.close()

    async def until_caught_up(self) -> None:
        """Wait until Postgres has the last event of the outbox."""

        async def caught_up() -> bool:
            return (await self.cursor()) == (await self.last_entry())

        await until(caught_up, "the daemon to catch up")

    async def have_played(self) -> None:
        """The partition was opened, played in and followed to its end; no daemon runs afterwards."""
        async with self.daemon():
            await self.until_open()
            for uid in (1, 2, 3):
                await self.pull(uid)
            await self.until_caught_up()

    # Redis.

    async def administer(self, *command: str | bytes | int) -> Any:
        """Have Redis' administrator run a command, for what Croupier itself may not do."""
        return await administer(self.redis_url, *command)

    async def pretend_restart(self) -> None:
        """Make the head look as if it had been written for another server, as it does after a restart of Redis."""
        await self.transport.call("HSET", keys.head(PARTITION), "identity", OTHER_SERVER)

    async def head(self) -> Head | None:
        return await read_head(self.transport, PARTITION)

    async def stream(self) -> str:
        """The outbox by its present name."""
        head = await self.head()
        return keys.outbox(PARTITION, head.fence) if head and head.fence else keys.outbox_closed(PARTITION)

    async def log(self) -> list[Event]:
        """Every event that the outbox holds."""
        entries: Any = await self.transport.call("XRANGE", await self.stream(), "-", "+")
        return [decode_entry(PARTITION, entry, fields) for entry, fields in entries]

    async def last_entry(self) -> tuple[int, int] | None:
        log = await self.log()
        return (log[-1].id.epoch, log[-1].id.seq) if log else None

    async def durable_state(self) -> dict[tuple[str, str], bytes]:
        """What Redis holds that the mirror must hold: (key, field) -> bytes."""
        state: dict[tuple[str, str], bytes] = {}
        names: Any = await self.administer("KEYS", f"{{{PARTITION}}}:*")
        for name in sorted(name.decode() for name in names):
            kind = name.split(":")[1]
            if kind == "pool":
                fields: Any = await self.transport.call("HGETALL", name)
                pairs = zip(fields[::2], fields[1::2], strict=True)
                state |= {(name, field.decode()): value for field, value in pairs}
            elif kind in ("player", "gacha", "crash", "session", "economy"):
                value: Any = await self.transport.call("GET", name)
                state[name, ""] = value[: LAYOUTS[kind].durable_size] if kind in LAYOUTS else value
        return state

    # Postgres.

    async def cursor(self) -> tuple[int, int] | None:
        row = await self.connection.fetchrow(
            "SELECT epoch, seq FROM partitions WHERE partition = $1", PARTITION
        )
        return None if row["epoch"] is None else (row["epoch"], row["seq"])

    async def mirror(self) -> dict[tuple[str, str], bytes]:
        rows = await self.connection.fetch(
            "SELECT key, field, value FROM mirror WHERE partition = $1", PARTITION
        )
        return {(row["key"], row["field"]): row["value"] for row in rows}

    async def require_events_are(self, log: list[Event]) -> None:
        """Each event of the log is a row, in full, and there is no other row."""
        rows = await self.connection.fetch(
            "SELECT partition, epoch, seq, ts_ms, created, type, uid, tier, op_id, idempotency_key,"
            " request_hash, economy, rules, terms, result, changes FROM events ORDER BY partition, epoch, seq"
        )
        assert [tuple(row) for row in rows] == [_row(event) for event in log]

    async def require_ledger_adds_up(self) -> None:
        """The lines of each player sum to the balances in Redis, and each line follows from the one before."""
        state = await self.durable_state()
        lines = await self.connection.fetch("SELECT * FROM wallet_ledger ORDER BY epoch, seq, line")
        balances: Counter[tuple[int, str]] = Counter()
        for line in lines:
            balances[line["uid"], line["currency"]] += line["delta"]
            assert balances[line["uid"], line["currency"]] == line["balance_after"]
        players = {line["uid"] for line in lines}
        assert players
        for uid in players:
            player = PLAYER.unpack(state[keys.player(PARTITION, uid), ""])
            assert (balances[uid, "tokens"], balances[uid, "gems"]) == (player.tokens, player.gems)

    async def require_mirror(self) -> None:
        """The mirror is what Redis holds, byte for byte."""
        assert await self.mirror() == await self.durable_state()

    async def dump(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every table, as it stands, without what a daemon says of itself."""
        columns = {"partitions": "partition, epoch, seq, op_id, ts_ms, taken_epoch, taken_identity"}
        rows = {
            table: await self.connection.fetch(f"SELECT {columns.get(table, '*')} FROM {table}")
            for table in TABLES
        }
        return {table: sorted(map(tuple, found), key=repr) for table, found in rows.items()}


def _row(event: Event) -> tuple[Any, ...]:
    """The columns of `events`."""
    header = event.header
    return (
        event.id.partition, event.id.epoch, event.id.seq, event.ts_ms, event.created, header.type, header.uid,
        header.tier, header.op_id, header.idempotency_key, header.request_hash, header.economy, header.rules,
        bytes(header.terms), event.result, msgspec.msgpack.encode(event.changes),
    )  # fmt: skip


class _Looking(Durability):
    def __init__(self, database_url: str) -> None:
        self._database_url = database_url

    async def first(self, uid: int, key: str) -> Event | None:
        async with asyncpg.create_pool(self._database_url, min_size=1, max_size=1) as pool:
            return await Durability(pool, timeout_s=5.0).first(uid, key)

    async def wait(self, event: EventId, op_id: bytes) -> None:
        """Nobody brings it there."""


_OP_IDS = OpIds(lambda: round(time.time() * 1000))


def _caller(uid: int, tier: Tier) -> Caller:
    return Caller(uid, tier, "user", _OP_IDS.new())
