"""How long it takes to build a Redis of a million players from Postgres, and to verify a log.

The mirror of the million players is made by SQL, from the records of one player who really played: what is measured is
the way of bytes from Postgres to Redis, and a player's bytes are alike. The log is real: pulls by an engine as an HTTP
worker has it, carried to Postgres by a daemon; every seed is revealed in the end, so that every outcome is computed
again. `CROUPIER_BENCH_EVENTS` says how many (1,000,000 take some minutes to play).
"""

import asyncio
import os
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from bench.casino import BenchCasino, casino
from bench.harness import sized
from bench.players import PLAYERS
from bench.target import unrestricted
from croupier.command import Caller
from croupier.durability import Durability
from croupier.engine import Engine
from croupier.fairness.rotate import ROTATE
from croupier.op_id import OpIds
from croupier.settings import Settings
from croupier.transport import Transport
from croupier_cli.drain import drain
from croupier_schemas import keys
from croupier_schemas.fairness import FairnessRotate
from croupier_sync.restore import Restored, restore
from croupier_sync.server import Server
from croupier_sync.verification import Verdict, verify

MIRRORED_PLAYERS = 1_000_000
EVENTS = int(os.environ.get("CROUPIER_BENCH_EVENTS", "200000"))
_PLAYED = 1_000
_AT_ONCE = 64
_FIRST_UID = 10_000_000

_MULTIPLY = """
INSERT INTO mirror
SELECT 0, replace(m.key, ':' || $1::text, ':' || uid), m.field, m.value, m.epoch, m.seq
FROM generate_series($2::bigint, $2::bigint + $3::bigint - 1) AS uid, mirror m WHERE m.key IN ($4, $5)
"""
_DAMAGE = """
UPDATE events SET result = set_byte(result, 5, get_byte(result, 5) # 1)
WHERE (epoch, seq) = (SELECT epoch, seq FROM events WHERE type = 'gacha.pulled' ORDER BY epoch, seq OFFSET $1 LIMIT 1)
RETURNING seq
"""


def record(benchmark: Any, **figures: object) -> None:
    benchmark.extra_info |= figures


@pytest.mark.benchmark(group=f"restore of {MIRRORED_PLAYERS:,} players")
def test_restore(benchmark: Any, tmp_path: Path) -> None:
    count = sized(benchmark, MIRRORED_PLAYERS, 10_000)
    with casino(tmp_path) as servers:
        with servers.daemon(), servers.players() as players:
            players.play(_PLAYED, "redis")
            asyncio.run(_until_followed(servers))
        asyncio.run(_multiply(servers, count))
        restored: list[Restored] = []

        def run() -> None:
            restored.append(asyncio.run(_restore(servers)))

        benchmark.pedantic(run, rounds=2, iterations=1)

    first, second = restored[0], restored[-1]
    assert first.rebuilt.digest == second.rebuilt.digest
    assert (first.redis, second.redis) == ("equal", "equal")
    record(
        benchmark, keys=first.rebuilt.keys, bytes=first.rebuilt.bytes, seconds=round(first.rebuilt.seconds, 1)
    )


@pytest.mark.benchmark(group=f"verification of {EVENTS:,} events and more")
def test_verify(benchmark: Any, tmp_path: Path) -> None:
    events = sized(benchmark, EVENTS, 5_000)
    with casino(tmp_path) as servers:
        with servers.daemon(), servers.players() as players:
            played_s = players.play(events, "redis")
            asyncio.run(_until_followed(servers))
            asyncio.run(_reveal(servers))
            asyncio.run(_until_followed(servers))
        verdict: Verdict = benchmark.pedantic(lambda: asyncio.run(_verify(servers)), rounds=1, iterations=1)
        damaged = asyncio.run(_damage(servers, events // 2))
        found = asyncio.run(_verify(servers))

    assert verdict.problems == []
    assert verdict.outcomes_hidden == 0
    named = [problem for problem in found.problems if problem.check == "digests"]
    assert [problem.event_id for problem in named] == [f"0-1-{damaged}"]
    assert "column result: byte" in named[0].message
    record(
        benchmark, events=verdict.events, outcomes=verdict.outcomes_recomputed, played_s=round(played_s, 1),
        seconds=round(verdict.seconds, 1), verified_per_s=round(verdict.events / verdict.seconds),
    )  # fmt: skip


async def _until_followed(servers: BenchCasino) -> None:
    """Wait until Postgres has every event."""
    while not await drain(Settings.from_environment(servers.environment), lambda: False):
        pass


async def _multiply(servers: BenchCasino, count: int) -> None:
    """Give the mirror so many players."""
    connection = await asyncpg.connect(servers.postgres.url)
    try:
        player = await connection.fetchval("SELECT key FROM mirror WHERE key LIKE '{0}:player:%' LIMIT 1")
        uid = int(player.rpartition(":")[2])
        copied = keys.player(0, uid), keys.gacha(0, uid, "standard")
        await connection.execute(_MULTIPLY, str(uid), _FIRST_UID, count, *copied, timeout=600)
        await connection.execute("VACUUM ANALYZE mirror", timeout=600)
    finally:
        await connection.close()


async def _restore(servers: BenchCasino) -> Restored:
    transport, connection = Transport(servers.valkey.url), await asyncpg.connect(servers.postgres.url)
    administrator = Transport(unrestricted(servers.valkey.url))
    await transport.open()
    try:
        await administrator.open()
        await administrator.call("FLUSHALL", timeout_s=60)
        return await restore(Server(transport), connection, 0)
    finally:
        await administrator.close()
        await transport.close()
        await connection.close()


async def _verify(servers: BenchCasino) -> Verdict:
    transport, connection = Transport(servers.valkey.url), await asyncpg.connect(servers.postgres.url)
    await transport.open()
    try:
        return await verify(connection, Server(transport))
    finally:
        await transport.close()
        await connection.close()


async def _reveal(servers: BenchCasino) -> None:
    """Rotate the seed of every player who played; returns when Postgres has it."""
    transport = Transport(servers.valkey.url)
    await transport.open()
    async with asyncpg.create_pool(servers.postgres.url, min_size=1, max_size=2) as pool:
        uids = [row["uid"] for row in await pool.fetch("SELECT DISTINCT uid FROM events WHERE uid > 0")]
        assert len(uids) <= PLAYERS
        engine = Engine(
            transport, Settings.from_environment(servers.environment), Durability(pool, timeout_s=60.0)
        )
        op_ids = OpIds(engine.now_ms)
        for start in range(0, len(uids), _AT_ONCE):
            callers = [Caller(uid, "VIP", "user", op_ids.new()) for uid in uids[start : start + _AT_ONCE]]
            await asyncio.gather(*(engine.execute(ROTATE, caller, FairnessRotate()) for caller in callers))
    await transport.close()


async def _damage(servers: BenchCasino, number: int) -> int:
    """Change one byte of the result of that pull; the number of its event."""
    connection = await asyncpg.connect(servers.postgres.url)
    try:
        seq: int = await connection.fetchval(_DAMAGE, number)
        return seq
    finally:
        await connection.close()
