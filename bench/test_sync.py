"""The sync daemon's work on a backlog, beside what bounds it from above, in the same run.

`test_backlog_beside_a_bare_copy`: the daemon's batches (read, decode, events, mirror, projections) beside a bare COPY
of the very rows that they wrote, into tables with the same indexes. `test_backlog_beside_one_worker`: the rate at
which a daemon drains a backlog, beside the rate at which one HTTP worker has made it.
"""

import asyncio
import contextlib
import gc
import statistics
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
from croupier.partition import read_head
from croupier.transport import Transport
from croupier_schemas import keys
from croupier_sync.batch import Batch, work_out, work_out_ahead, write
from croupier_sync.limits import DEFAULT_LIMITS
from croupier_sync.outbox import read_after
from croupier_sync.position import Position, read_position
from croupier_sync.projector import Projector
from croupier_sync.work import tune_interpreter

EVENTS = 90_000
ROUNDS = 3
REQUESTS_ROUNDS = 4
TABLES = ("events", "mirror", "game_history", "wallet_ledger", "gacha_daily", "game_stats")


@pytest.fixture
def tuned_interpreter() -> Iterator[None]:
    """As the daemon's process has it."""
    threshold, interval_s = gc.get_threshold(), sys.getswitchinterval()
    tune_interpreter()
    yield
    gc.set_threshold(*threshold)
    sys.setswitchinterval(interval_s)


class Backlog:
    """What a daemon would do now, step by step."""

    def __init__(self, servers: BenchCasino, events: int) -> None:
        self._servers = servers
        self._events = events
        self.sync: list[float] = []
        self.copy: list[float] = []
        self.copy_events: list[float] = []

    def round(self) -> None:
        """Drain a backlog, then copy the same rows."""
        asyncio.run(self._round())

    async def _round(self) -> None:
        transport = Transport(self._servers.valkey.url)
        await transport.open()
        connection = await asyncpg.connect(self._servers.postgres.url)
        try:
            before = await read_position(connection, 0)
            assert before.cursor is not None
            started = time.perf_counter()
            await self._drain(transport, connection)
            self.sync.append(time.perf_counter() - started)
            rows = await self._written(connection, before.cursor.epoch, before.cursor.seq)
            assert len(rows["events"]) >= self._events
            self.copy_events.append(await self._copy(connection, {"events": rows["events"]}))
            self.copy.append(await self._copy(connection, rows))
        finally:
            await connection.close()
            await transport.close()

    async def _drain(self, transport: Transport, connection: asyncpg.Connection) -> None:
        position, projector = await read_position(connection, 0), Projector()
        head = await read_head(transport, 0)
        assert head is not None
        stream = keys.outbox(0, head.fence)

        async def read_ahead(after: Position, digest: bytes) -> Batch | None:
            events = await read_after(transport, stream, after, DEFAULT_LIMITS.batch_max)
            return await work_out_ahead(projector, events, digest)

        events = await read_after(transport, stream, position, DEFAULT_LIMITS.batch_max)
        batch: Batch | None = await work_out(connection, projector, position, events)
        while batch:
            ahead = asyncio.create_task(read_ahead(position.after(batch.events), batch.digest))
            position = await write(connection, projector, position, batch)
            batch = await ahead

    async def _written(
        self, connection: asyncpg.Connection, epoch: int, seq: int
    ) -> dict[str, list[tuple[Any, ...]]]:
        """The rows of this round, by table; of those that were written several times, the last state."""
        rows = {}
        for table in TABLES:
            since = " WHERE (epoch, seq) > ($1, $2)" if table != "game_stats" else ""
            found = await connection.fetch(f"SELECT * FROM {table}{since}", *((epoch, seq) if since else ()))
            rows[table] = [tuple(row) for row in found]
        return rows

    async def _copy(self, connection: asyncpg.Connection, rows: dict[str, list[tuple[Any, ...]]]) -> float:
        """Seconds of a COPY of these rows, in batches as the daemon's, each committed."""
        for table in rows:
            await connection.execute(f"CREATE TABLE bare_{table} (LIKE {table} INCLUDING ALL)")
        started = time.perf_counter()
        batches = -(-self._events // DEFAULT_LIMITS.batch_max)
        for batch in range(batches):
            async with connection.transaction():
                for table, found in rows.items():
                    await connection.copy_records_to_table(f"bare_{table}", records=found[batch::batches])
        seconds = time.perf_counter() - started
        for table in rows:
            await connection.execute(f"DROP TABLE bare_{table}")
        return seconds


@pytest.mark.benchmark(group=f"sync, a backlog of {EVENTS:,} pulls")
def test_backlog_beside_a_bare_copy(benchmark: Any, tmp_path: Path, tuned_interpreter: None) -> None:
    events = sized(benchmark, EVENTS, 5_000)
    with casino(tmp_path) as servers, servers.players() as players:
        with servers.daemon():
            players.play(5_000, "redis")
            players.play(1, "postgres")
        backlog = Backlog(servers, events)
        benchmark.pedantic(
            backlog.round, setup=lambda: players.play(events, "redis") and None, rounds=ROUNDS, iterations=1
        )
    sync_s, copy_s, events_s = map(statistics.median, (backlog.sync, backlog.copy, backlog.copy_events))
    benchmark.extra_info |= {
        "sync_events_per_s": round(events / sync_s),
        "copy_events_per_s": round(events / copy_s),
        "of_copy": round(copy_s / sync_s, 3),
        "of_copy_of_events_alone": round(events_s / sync_s, 3),
    }


@pytest.mark.benchmark(group="sync, a backlog from one HTTP worker")
def test_backlog_beside_one_worker(benchmark: Any, tmp_path: Path) -> None:
    ingest: list[float] = []
    requests_rounds = sized(benchmark, REQUESTS_ROUNDS, 1)
    drained: list[float] = []
    with casino(tmp_path) as servers:
        with servers.daemon(), servers.players() as players:
            players.play(5_000, "redis")
            players.play(1, "postgres")
        with servers.worker() as (port, pid), contextlib.closing(pulls(port, pid)) as load:

            def fill() -> None:
                load.seconds.clear()
                for _ in range(requests_rounds):
                    load.run()
                ingest.append(load.per_s)

            def drain() -> None:
                with servers.daemon():
                    drained.append(asyncio.run(_drained_per_s(servers)))

            benchmark.pedantic(drain, setup=fill, rounds=ROUNDS, iterations=1)
    ingested, drain_rate = statistics.median(ingest), statistics.median(drained)
    benchmark.extra_info |= {
        "ingest_per_s": round(ingested),
        "drain_per_s": round(drain_rate),
        "of_ingest": round(drain_rate / ingested, 2),
    }


async def _drained_per_s(servers: BenchCasino) -> float:
    """Events per second from the daemon's first batch on until the backlog is gone."""
    transport = Transport(servers.valkey.url)
    await transport.open()
    connection = await asyncpg.connect(servers.postgres.url)
    try:
        head = await read_head(transport, 0)
        assert head is not None
        newest: Any = await transport.call("XREVRANGE", keys.outbox(0, head.fence), "+", "-", "COUNT", 1)
        last = int(newest[0][0].split(b"-")[1])

        async def seq() -> int:
            cursor = (await read_position(connection, 0)).cursor
            assert cursor is not None
            return cursor.seq

        first = before = await seq()
        while before == first:
            await asyncio.sleep(0.002)
            before = await seq()
        started = time.perf_counter()
        while await seq() < last:
            await asyncio.sleep(0.002)
        return (last - before) / (time.perf_counter() - started)
    finally:
        await connection.close()
        await transport.close()
