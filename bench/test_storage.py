"""What an event takes where it is kept: in Redis' outbox, and in the tables and the log of Postgres."""

import asyncio
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import redis

from bench.casino import BenchCasino, casino
from bench.harness import sized

EVENTS = 100_000
_SIZES = """
SELECT pg_current_wal_lsn() - '0/0'::pg_lsn AS log,
  pg_total_relation_size('events') AS events,
  (SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace)
    AS all_tables
"""


@pytest.mark.benchmark(group="what an event takes")
def test_storage_of_an_event(benchmark: Any, tmp_path: Path) -> None:
    events = sized(benchmark, EVENTS, 5_000)
    with casino(tmp_path) as servers, servers.players() as players:
        with servers.daemon():
            players.play(5_000, "redis")
            players.play(1, "postgres")
        before = asyncio.run(_postgres(servers))
        with redis.Redis.from_url(servers.valkey.url) as inspector:
            used_before = inspector.info("memory")["used_memory"]
            benchmark.pedantic(lambda: players.play(events, "redis"), rounds=1, iterations=1)
            used = inspector.info("memory")["used_memory"] - used_before
        with servers.daemon():
            players.play(1, "postgres")
        after = asyncio.run(_postgres(servers))
    taken = {name: (after[name] - before[name]) / events for name in after}
    benchmark.extra_info |= {
        "redis_bytes": round(used / events),
        "postgres_bytes": round(taken["all_tables"]),
        "postgres_bytes_of_log": round(taken["events"]),
        "postgres_wal_bytes": round(taken["log"]),
    }


async def _postgres(servers: BenchCasino) -> dict[str, float]:
    connection = await asyncpg.connect(servers.postgres.url)
    try:
        await connection.execute("CHECKPOINT")
        sizes = await connection.fetchrow(_SIZES)
        assert sizes is not None
        return {name: float(size) for name, size in sizes.items()}
    finally:
        await connection.close()
