"""Every event once in ClickHouse, while export, broker and ClickHouse are killed again and again.

`CROUPIER_TEST_EXPORT_EVENTS` is how many events go through: 15,000 where it is not set. With `-s` it tells how far it
has come, and at the end what both sides hold.
"""

import asyncio
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from random import Random

import asyncpg
import pytest

from croupier_cli.embedded import Kafka
from croupier_cli.embedded.clickhouse import ClickHouse as Server
from croupier_schemas.events import Event
from tests.export.export_process import exporting
from tests.export.olap import Olap, fill, olap_of
from tests.export.support import TOPIC_PARTITIONS, repeated

EVENTS = int(os.environ.get("CROUPIER_TEST_EXPORT_EVENTS", "8000"))
CHUNKS = max(12, EVENTS // 2_500)
"""A kill in each."""

_DEADLINE_S = 60.0 + EVENTS / 250
_SUMS = """
SELECT count() AS rows, uniqExact(partition, epoch, seq) AS events, sum(staked) AS staked, sum(paid) AS paid,
  sum(granted) AS granted
FROM game_events
"""


class Servers:
    """A broker and a ClickHouse on ports that stay theirs, whatever happens to them."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.kafka = Kafka.start(directory / "kafka")
        self.clickhouse = Server.start(directory / "clickhouse")

    def kill_broker(self) -> None:
        """It comes back empty."""
        self.kafka.kill()
        self.kafka = Kafka.start(self._directory / "kafka", port=self.kafka.port)

    def kill_clickhouse(self) -> None:
        """It comes back with what it had acknowledged."""
        self.clickhouse.kill()
        self.clickhouse = Server.start(self._directory / "clickhouse", port=self.clickhouse.port)

    def stop(self) -> None:
        self.kafka.stop()
        self.clickhouse.stop()


@pytest.fixture
async def servers(tmp_path: Path) -> AsyncIterator[Servers]:
    servers = Servers(tmp_path)
    yield servers
    servers.stop()


@pytest.fixture
async def olap(
    servers: Servers, database_url: str, connection: asyncpg.Connection, log: list[Event]
) -> AsyncIterator[Olap]:
    async with olap_of(servers.clickhouse, database_url, connection) as olap:
        await fill(olap, log)
        yield olap


@pytest.mark.timeout(_DEADLINE_S + 60)
async def test_given_kills_of_export_broker_and_clickhouse_when_events_flow_then_each_is_one_row(
    servers: Servers, olap: Olap
) -> None:
    rng = Random(11)
    environment = {
        "DATABASE_URL": olap.database_url,
        "CLICKHOUSE_URL": olap.url,
        "KAFKA_BOOTSTRAP_SERVERS": servers.kafka.bootstrap_servers,
        "CROUPIER_KAFKA_TOPIC_PARTITIONS": str(TOPIC_PARTITIONS),
    }
    events = repeated(olap.log, EVENTS)
    size = -(-EVENTS // CHUNKS)
    killed: Counter[str] = Counter()
    begun_s = time.monotonic()
    with exporting(environment) as export:
        kills: dict[str, Callable[[], None]] = {
            "export": export.kill_and_restart,
            "broker": servers.kill_broker,
            "ClickHouse": servers.kill_clickhouse,
        }
        for number in range(CHUNKS):
            await olap.append(events[number * size : (number + 1) * size])
            # Somewhere on the way of this chunk: before it is published, after, before it is inserted, after.
            await _until_some_of_it_is_there(olap, rng.randrange(size))
            victim = list(kills)[number % len(kills)]
            kills[victim]()
            killed[victim] += 1
            print(
                f"{time.monotonic() - begun_s:6.1f} s  {len(olap.log):,} events  killed: {victim}", flush=True
            )
        async with asyncio.timeout(_DEADLINE_S):
            await olap.until_in_clickhouse(deadline_s=_DEADLINE_S)
            await olap.until_counted()
    (found,) = await olap.clickhouse.fetch(_SUMS)
    in_postgres = await olap.connection.fetchval("SELECT count(*) FROM events")
    print(f"killed {dict(killed)}; Postgres {in_postgres:,} events; ClickHouse {found}", flush=True)
    assert (found["rows"], found["events"]) == (in_postgres, in_postgres)
    assert await olap.connection.fetchval("SELECT count(*) FROM export_failures") == 0
    assert await olap.connection.fetchval("SELECT generation FROM topic_generation") >= 1, "a broker was lost"
    await olap.require_each_event_once()
    await olap.require_days_counted()
    print(
        f"all as in Postgres, by type, by player and by day, after {time.monotonic() - begun_s:.1f} s",
        flush=True,
    )


async def _until_some_of_it_is_there(olap: Olap, missing: int) -> None:
    """Wait until Kafka, or ClickHouse, lacks no more than so many events of the log."""
    target = olap.log[-1].id.seq - missing
    kafka = await olap.connection.fetchval("SELECT (random() < 0.5)")
    async with asyncio.timeout(_DEADLINE_S):
        while True:
            seq = await olap.connection.fetchval(
                "SELECT seq FROM sink_cursors WHERE sink = $1", "kafka" if kafka else "clickhouse"
            )
            if seq is not None and seq >= target:
                return
            await asyncio.sleep(0.01)
