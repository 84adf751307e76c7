"""A Redis whose log of writes was cut at any length comes back as Postgres has it."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from urllib.parse import urlsplit

import asyncpg
import pytest

from croupier_cli.embedded import Postgres, Valkey
from croupier_sync.migrations import migrate
from tests.redis_server import started_valkey
from tests.sync.healed import (
    casino_on,
    heals,
    require_keys_gone,
    require_replies,
    require_whole,
)
from tests.sync.rounds import Rounds
from tests.sync.support import until_following

PARTS = 4
CUTS_PER_PART = 6
FOLLOWED, UNFOLLOWED = 80, 15


def _cut(valkey: Path, length: int) -> None:
    """Truncate the log of writes."""
    (log,) = (valkey / "appendonlydir").glob("*.incr.aof")
    with log.open("r+b") as file:
        file.truncate(length)


def _lengths(log: bytes, rng: Random) -> list[int]:
    """Lengths to cut it to: anywhere, and between the writes of one script, the last of all included."""
    inside = []
    at = log.find(b"MULTI")
    while at >= 0:
        inside.append((at + log.find(b"EXEC", at)) // 2)
        at = log.find(b"MULTI", at + 1)
    anywhere = [rng.randrange(len(log)) for _ in range(CUTS_PER_PART - 4)]
    return [0, inside[-1], *rng.sample(inside, 2), *anywhere]


@pytest.mark.parametrize("followed_to_the_end", [True, False])
@pytest.mark.parametrize("part", range(PARTS))
async def test_given_a_log_cut_at_any_length_when_started_again_then_redis_is_what_postgres_holds(
    part: int,
    followed_to_the_end: bool,
    postgres: Postgres,
    database_url: str,
    connection: asyncpg.Connection,
    tmp_path: Path,
) -> None:
    rng = Random(f"{part} {followed_to_the_end}")
    rounds = Rounds(rng)
    await migrate(connection)
    server = started_valkey(tmp_path / "valkey")
    async with casino_on(server, database_url) as casino:
        async with casino.daemon():
            await casino.until_open()
            await rounds.play(casino.engine, FOLLOWED)
            await casino.until_caught_up()
        if not followed_to_the_end:
            await rounds.play(casino.unfollowed_engine(), UNFOLLOWED)
        server.kill()
    (log,) = (tmp_path / "valkey" / "appendonlydir").glob("*.incr.aof")
    lengths = _lengths(log.read_bytes(), rng)
    await connection.close()

    for number, length in enumerate(lengths):
        copy = tmp_path / f"valkey-{number}"
        shutil.copytree(tmp_path / "valkey", copy, ignore=shutil.ignore_patterns("*.sock", "lock"))
        _cut(copy, length)
        async with _clone(postgres, database_url) as clone_url:
            with started_valkey(copy) as again:
                await _require_healed(again, clone_url, rounds, rng)


@asynccontextmanager
async def _clone(postgres: Postgres, database_url: str) -> AsyncIterator[str]:
    """A copy of the database, to which nobody may be connected."""
    name = urlsplit(database_url).path.removeprefix("/")
    maintenance = await asyncpg.connect(postgres.url)
    await maintenance.execute(f"CREATE DATABASE {name}_clone TEMPLATE {name}")
    try:
        yield postgres.url_of(f"{name}_clone")
    finally:
        await maintenance.execute(f"DROP DATABASE {name}_clone WITH (FORCE)")
        await maintenance.close()


async def _require_healed(server: Valkey, database_url: str, rounds: Rounds, rng: Random) -> None:
    async with casino_on(server, database_url) as casino:
        before = await casino.connection.fetchval("SELECT count(*) FROM events")
        async with casino.daemon() as sync:
            await casino.until_open()
            await casino.until_caught_up()
            await require_whole(casino)
            assert await casino.connection.fetchval("SELECT count(*) FROM events") > before
            assert await require_replies(casino, rounds) > 0
            await require_keys_gone(casino)
            await Rounds(rng).play(casino.engine, 30)
            await casino.until_caught_up()
            await require_whole(casino)
            await until_following(sync.status)
        for heal in await heals(casino):
            assert heal["seconds"] is not None
            assert heal["forked"] == []
