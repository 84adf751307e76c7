"""Shared by the tests of ClickHouse as a sink: a log in Postgres, servers to be killed, and what both ends hold."""

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import asyncpg
import msgspec

from croupier.clickhouse import Address, Away, ClickHouse
from croupier.settings import Settings
from croupier_cli.embedded import Kafka
from croupier_cli.embedded.clickhouse import ClickHouse as Server
from croupier_schemas.events import Event
from croupier_schemas.messages import BOUGHT, ShopBought
from croupier_sync.export.clickhouse import ClickHouseSink
from croupier_sync.export.clickhouse_tables import migrate
from croupier_sync.export.cursors import add_cursors
from croupier_sync.export.main import sinks
from croupier_sync.export.messages import Renderer
from croupier_sync.export.rows import COLUMNS, Row, row_of
from croupier_sync.export.turns import Turns
from tests.export.support import LIMITS, TOPIC_PARTITIONS
from tests.sync.support import until

_EVENT_COLUMNS = (
    *("partition", "epoch", "seq", "ts_ms", "created", "type", "uid", "tier", "op_id", "idempotency_key"),
    *("request_hash", "economy", "rules", "terms", "result", "changes"),
)
_MIRROR = """
INSERT INTO mirror (partition, key, field, value, epoch, seq) VALUES ($1, $2, '', $3, 1, 0) ON CONFLICT DO NOTHING
"""
_NO_MERGES = "ALTER TABLE game_events MODIFY SETTING max_bytes_to_merge_at_max_space_in_pool = 1"
_DEADLINE_S = 30.0


@dataclass
class Olap:
    """A Postgres with a log, a ClickHouse, perhaps a broker; sinks come and go."""

    server: Server
    clickhouse: ClickHouse
    url: str
    database_url: str
    connection: asyncpg.Connection
    kafka: Kafka | None = None
    log: list[Event] = field(default_factory=list)

    @property
    def settings(self) -> Settings:
        return Settings(
            database_url=self.database_url,
            clickhouse_url=self.url,
            kafka_bootstrap_servers=self.kafka.bootstrap_servers if self.kafka else "",
            kafka_topic_partitions=TOPIC_PARTITIONS,
        )

    def without_kafka(self) -> "Olap":
        """The same, with Kafka switched off."""
        return replace(self, kafka=None)

    async def append(self, events: Sequence[Event]) -> None:
        """Have Postgres hold further events; nothing else of it, such as the mirror, knows of them."""
        records = [
            (
                *msgspec.structs.astuple(event.id), event.ts_ms, event.created, event.header.type,
                event.header.uid, event.header.tier, event.header.op_id, "", b"", event.header.economy,
                event.header.rules, bytes(event.header.terms), event.result,
                msgspec.msgpack.encode(event.changes),
            )
            for event in events
        ]  # fmt: skip
        await self.connection.copy_records_to_table("events", records=records, columns=_EVENT_COLUMNS)
        self.log.extend(events)

    # Daemons.

    @asynccontextmanager
    async def exporting(self) -> AsyncIterator[list[Any]]:
        """All sinks as `croupier export` runs them, stopped at the end of the block."""
        stop, served = asyncio.Event(), sinks(self.settings)
        running = [asyncio.create_task(Turns(sink, self.database_url, LIMITS).run(stop)) for sink in served]
        try:
            yield served
        finally:
            stop.set()
            await asyncio.gather(*running)

    async def follow_once(self, sink: ClickHouseSink | None = None) -> None:
        """Serve the ClickHouse sink once, in this task, until it has the whole log, or raises what goes wrong."""
        stop = asyncio.Event()
        watch = asyncio.create_task(self._stop_when_complete(stop))
        connection = await asyncpg.connect(self.database_url)
        try:
            await add_cursors(connection, "clickhouse")
            await (sink or ClickHouseSink(self.settings)).follow(connection, stop)
        finally:
            watch.cancel()
            await connection.close()

    async def _stop_when_complete(self, stop: asyncio.Event) -> None:
        await self.until_in_clickhouse()
        stop.set()

    # What ClickHouse holds.

    async def rows(self, statement: str, **parameters: object) -> list[tuple[Any, ...]]:
        return [
            tuple(row.values()) for row in await self.clickhouse.fetch(statement, parameters, rows_max=10**6)
        ]

    async def value(self, statement: str, **parameters: object) -> Any:
        ((value,),) = await self.rows(statement, **parameters)
        return value

    async def until_in_clickhouse(self, count: int | None = None, deadline_s: float = _DEADLINE_S) -> None:
        """Wait until ClickHouse has so many events; by default all of the log."""
        expected = len(self.log) if count is None else count

        async def arrived() -> bool:
            try:
                distinct: int = await self.value("SELECT uniqExact(partition, epoch, seq) FROM game_events")
            except Away:  # killed a moment ago
                return False
            return distinct >= expected

        async with asyncio.timeout(deadline_s):
            while not await arrived():
                await asyncio.sleep(0.05)

    async def until_counted(self) -> None:
        """Wait until no day is still to be counted anew."""

        async def counted() -> bool:
            left: int = await self.connection.fetchval(
                "SELECT (SELECT count(*) FROM clickhouse_days) + (SELECT count(*) FROM clickhouse_batches)"
            )
            return left == 0

        await until(counted, "the days to be counted")

    async def expected_rows(self) -> list[Row]:
        """The rows of the log."""
        renderer = Renderer("buy_package")
        await renderer.prepare(self.connection, self.log)
        return [row_of(message.value) for message in renderer.render(self.log)]

    async def require_each_event_once(self) -> None:
        """Without FINAL: the rows are those of the log, one each; and so are the sums, by type and by player."""
        names = list(COLUMNS)
        expected: list[dict[str, Any]] = [
            dict(zip(names, row.columns, strict=True)) for row in await self.expected_rows()
        ]
        counts = await self.rows("SELECT count(), uniqExact(partition, epoch, seq) FROM game_events")
        assert counts == [(len(self.log), len(self.log))]
        for key in ("event_type", "player_id"):
            sums: dict[Any, Counter[str]] = {}
            for row in expected:
                one = sums.setdefault(row[key], Counter())
                one.update(events=1, staked=row["staked"], paid=row["paid"], granted=row["granted"])
            found = await self.rows(
                f"SELECT {key}, count() AS events, sum(staked), sum(paid), sum(granted) FROM game_events GROUP BY 1"
            )
            assert {row[0]: row[1:] for row in found} == {
                value: (one["events"], one["staked"], one["paid"], one["granted"])
                for value, one in sums.items()
            }

    async def require_days_counted(self) -> None:
        """The daily tables say what the log says."""
        found = await self.rows(
            "SELECT game, currency, sum(rounds), sum(staked), sum(paid) FROM games_daily_agg FINAL GROUP BY 1, 2"
        )
        sums: dict[tuple[Any, Any], Counter[str]] = {}
        for row in await self.expected_rows():
            columns: dict[str, Any] = dict(zip(COLUMNS, row.columns, strict=True))
            if columns["game"]:
                one = sums.setdefault((columns["game"], columns["currency"]), Counter())
                one.update(
                    rounds=int(columns["crash_point"] is None), staked=columns["staked"], paid=columns["paid"]
                )
        assert {row[:2]: row[2:] for row in found} == {
            key: (one["rounds"], one["staked"], one["paid"]) for key, one in sums.items()
        }
        days = await self.rows("SELECT sum(events) FROM players_daily FINAL")
        # What a player did: neither what no player caused, nor what an admin gave.
        own = sum(event.header.tier != "" and event.header.type != "rewards.granted" for event in self.log)
        assert days == [(own,)], (days, own)


@asynccontextmanager
async def olap_of(
    server: Server, database_url: str, connection: asyncpg.Connection, kafka: Kafka | None = None
) -> AsyncIterator[Olap]:
    """An empty database of a ClickHouse, with its tables."""
    url = f"{server.url.rpartition('/')[0]}/test_{uuid.uuid4().hex}"
    clickhouse = ClickHouse(Address.from_url(url))
    try:
        await migrate(clickhouse)
        # Merges would take away what came twice before it is looked for.
        await clickhouse.execute(_NO_MERGES, timeout_s=10)
        yield Olap(server, clickhouse, url, database_url, connection, kafka)
    finally:
        await clickhouse.close()


async def fill(olap: Olap, events: Sequence[Event]) -> None:
    """Have Postgres hold these events, and the economies that they name."""
    await mirror_economies(olap.connection, events)
    await olap.append(events)


async def mirror_economies(connection: asyncpg.Connection, events: Sequence[Event]) -> None:
    """Have Postgres hold the economies that these events bring."""
    for event in events:
        for change in event.changes:
            if change.key.split(":")[1:2] == ["economy"]:
                await connection.execute(_MIRROR, event.id.partition, change.key, change.value)


def purchase(event: Event, sku: str = "gems_100", price_cents: int = 499, gems: int = 100) -> Event:
    """An event of its place and player, which is a purchase."""
    terms = ShopBought(sku, price_cents, "USD", gems, "charge", "receipt")
    header = msgspec.structs.replace(
        event.header, type=BOUGHT, terms=msgspec.Raw(msgspec.msgpack.encode(terms))
    )
    return msgspec.structs.replace(event, header=header, result=b"", changes=())
