"""The export's work on a backlog, beside the rate at which one HTTP worker has made it, in the same run."""

import asyncio
import contextlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from bench.casino import BenchCasino, casino
from bench.harness import sized
from bench.serving import pulls
from croupier_cli.embedded import Kafka
from croupier_sync.export.cursors import SinkName, read_cursors

ROUNDS = 2
REQUESTS_ROUNDS = 3


@contextlib.contextmanager
def export(servers: BenchCasino, **variables: str) -> Iterator[None]:
    """`croupier export` in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "croupier_cli.main", "export"],
        env={**os.environ, **servers.environment, **variables, "CROUPIER_LOG_LEVEL": "error"},
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait()


@pytest.mark.timeout(600)
@pytest.mark.benchmark(group="export to Kafka, a backlog from one HTTP worker")
def test_kafka_beside_one_worker(benchmark: Any, tmp_path: Path) -> None:
    ingest: list[float] = []
    requests_rounds = sized(benchmark, REQUESTS_ROUNDS, 1)
    exported: list[float] = []
    with casino(tmp_path) as servers, Kafka.start(tmp_path / "kafka") as kafka:
        with servers.daemon(), servers.players() as players:
            players.play(5_000, "redis")
            players.play(1, "postgres")
        with servers.worker() as (port, pid), contextlib.closing(pulls(port, pid)) as load:

            def fill() -> None:
                load.seconds.clear()
                for _ in range(requests_rounds):
                    load.run()
                ingest.append(load.per_s)
                with servers.daemon():
                    asyncio.run(_until_stored(servers))

            def carry_on() -> None:
                with export(servers, KAFKA_BOOTSTRAP_SERVERS=kafka.bootstrap_servers):
                    exported.append(asyncio.run(_exported_per_s(servers, "kafka")))

            benchmark.pedantic(carry_on, setup=fill, rounds=ROUNDS, iterations=1)
    ingested, rate = statistics.median(ingest), statistics.median(exported)
    benchmark.extra_info |= {
        "ingest_per_s": round(ingested),
        "export_per_s": round(rate),
        "of_ingest": round(rate / ingested, 2),
    }


async def _until_stored(servers: BenchCasino) -> None:
    """Wait until the daemon has taken the whole outbox: its cursor does not move for half a second."""
    connection = await asyncpg.connect(servers.postgres.url)
    try:
        before, now = -1, await _stored(connection)
        while before != now:
            await asyncio.sleep(0.5)
            before, now = now, await _stored(connection)
    finally:
        await connection.close()


async def _exported_per_s(servers: BenchCasino, sink: SinkName) -> float:
    """Events per second from the sink's first batch on until it has all that Postgres has."""
    connection = await asyncpg.connect(servers.postgres.url)
    try:
        last = await _stored(connection)

        async def seq() -> int:
            return (await read_cursors(connection, sink))[0].seq

        first = before = await seq()
        while before == first:
            await asyncio.sleep(0.002)
            before = await seq()
        started = time.perf_counter()
        while await seq() < last:
            await asyncio.sleep(0.005)
        return (last - before) / (time.perf_counter() - started)
    finally:
        await connection.close()


async def _stored(connection: asyncpg.Connection) -> int:
    seq: int = await connection.fetchval("SELECT seq FROM partitions WHERE partition = 0")
    return seq
