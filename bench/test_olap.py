"""Events per second into ClickHouse, straight from the log and through Kafka, beside what one HTTP worker takes in.

A worker makes a backlog over HTTP, which is its rate; the sync daemon carries it to Postgres. Then the export carries
it on: rates are those from its first batch to its last, of the export alone.
"""

import asyncio
import contextlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from bench.casino import BenchCasino, casino
from bench.harness import sized
from bench.serving import pulls
from croupier.clickhouse import ClickHouse
from croupier_cli.embedded import Kafka
from croupier_cli.embedded.clickhouse import ClickHouse as Server
from croupier_sync.export.clickhouse_tables import migrate

ROUNDS = 2
REQUESTS_ROUNDS = 8
_DEADLINE_S = 120.0

_EXPORT = """
import asyncio, os, signal
import uvloop
from croupier.settings import Settings
from croupier_sync.export.main import run
async def main():
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await run(Settings.from_environment(os.environ), stop)
uvloop.run(main())
"""
_LAST = "SELECT seq FROM partitions WHERE partition = 0"
_CURSOR = "SELECT seq FROM sink_cursors WHERE sink = $1 AND partition = 0"
# In Kafka's topics the cursor moves in one leap; the offsets tell how far it has come meanwhile.
_OFFSETS = "SELECT coalesce(sum(next_offset), 0)::bigint FROM clickhouse_offsets"
_IN_DOUBT = "SELECT count(*) FROM clickhouse_batches"


@contextlib.contextmanager
def exporting(servers: BenchCasino, variables: Mapping[str, str]) -> Iterator[None]:
    """`croupier export` in a process of its own."""
    environment = {**os.environ, **servers.environment, **variables}
    process = subprocess.Popen([sys.executable, "-c", _EXPORT], env=environment)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


async def _progress(connection: asyncpg.Connection, sink: str) -> int:
    """A number of events that grows as the sink takes them."""
    offsets: int = await connection.fetchval(_OFFSETS) if sink == "clickhouse" else 0
    return offsets or await connection.fetchval(_CURSOR, sink) or 0


async def carried_per_s(servers: BenchCasino, sink: str) -> float:
    """Events per second from the sink's first batch on until it has the whole log."""
    connection = await asyncpg.connect(servers.postgres.url)
    try:
        async with asyncio.timeout(_DEADLINE_S):
            last = await connection.fetchval(_LAST)
            first = before = await _progress(connection, sink)
            while before == first and (await connection.fetchval(_CURSOR, sink) or 0) < last:
                await asyncio.sleep(0.005)
                before = await _progress(connection, sink)
            started = time.perf_counter()
            while await connection.fetchval(_CURSOR, sink) < last or await connection.fetchval(_IN_DOUBT):
                await asyncio.sleep(0.005)
            seconds = time.perf_counter() - started
            return (await _progress(connection, sink) - before) / seconds
    finally:
        await connection.close()


async def make_tables(url: str) -> None:
    clickhouse = ClickHouse.of_url(url)
    await migrate(clickhouse)
    await clickhouse.close()


@pytest.mark.benchmark(group="export, a backlog from one HTTP worker")
@pytest.mark.parametrize("through_kafka", [False, True], ids=["straight", "kafka"])
def test_backlog_to_clickhouse_beside_one_worker(benchmark: Any, tmp_path: Path, through_kafka: bool) -> None:
    ingest: list[float] = []
    requests_rounds = sized(benchmark, REQUESTS_ROUNDS, 1)
    inserted: list[float] = []
    published: list[float] = []
    with (
        casino(tmp_path) as servers,
        Server.start(tmp_path / "clickhouse") as clickhouse,
        Kafka.start(tmp_path / "kafka") as kafka,
    ):
        asyncio.run(make_tables(clickhouse.url))
        topics = {"KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers} if through_kafka else {}
        everything = {"CLICKHOUSE_URL": clickhouse.url, **topics}
        with servers.daemon(), servers.players() as players:
            players.play(5_000, "redis")
            players.play(1, "postgres")
        with exporting(servers, everything):
            asyncio.run(carried_per_s(servers, "clickhouse"))
        with servers.worker() as (port, pid), contextlib.closing(pulls(port, pid)) as load:

            def fill() -> None:
                load.seconds.clear()
                for _ in range(requests_rounds):
                    load.run()
                ingest.append(load.per_s)
                with servers.daemon(), servers.players() as players:
                    players.play(1, "postgres")  # answered when Postgres has it, and all before it
                if through_kafka:
                    with exporting(servers, topics):
                        published.append(asyncio.run(carried_per_s(servers, "kafka")))

            def carry() -> None:
                with exporting(servers, everything):
                    inserted.append(asyncio.run(carried_per_s(servers, "clickhouse")))

            benchmark.pedantic(carry, setup=fill, rounds=ROUNDS, iterations=1)
    per_s = {"ingest_per_s": ingest, "clickhouse_per_s": inserted, "kafka_per_s": published}
    rates = {name: round(statistics.median(found)) for name, found in per_s.items() if found}
    benchmark.extra_info |= rates | {"of_ingest": round(rates["clickhouse_per_s"] / rates["ingest_per_s"], 2)}
