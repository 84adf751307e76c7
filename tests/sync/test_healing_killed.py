"""A daemon killed at any step of a heal, as a process is killed: the next one comes to the same end."""

import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from random import Random

import asyncpg
import pytest

from croupier_cli.embedded import Valkey
from croupier_sync.healing import MISSING_MAX
from croupier_sync.migrations import migrate
from tests.forked import run_forked
from tests.redis_server import administrator, started_valkey
from tests.sync.healed import casino_on, heals, require_replies, require_whole
from tests.sync.killed import Case, heal
from tests.sync.rounds import Rounds

PARTS = 2
STEPS_MIN = 30
ROUNDS = 12

Server = Callable[[], Valkey]


class Broken:
    """A Redis that is brought back to having lost something, as often as needed, under one address."""

    def __init__(self, directory: Path, how: str) -> None:
        self._data, self._copy, self._how = directory / "data", directory / "copy", how
        self.server = started_valkey(self._data)

    def remember(self, log_length: int) -> None:
        """Keep what is on disk now, with the log of writes cut to that length."""
        self.server.kill()
        ignored = shutil.ignore_patterns("*.sock", "socket", "lock")
        shutil.copytree(self._data / "appendonlydir", self._copy, ignore=ignored)
        (log,) = self._copy.glob("*.incr.aof")
        with log.open("r+b") as file:
            file.truncate(log_length)
        self.server = started_valkey(self._data)

    def log_length(self) -> int:
        (log,) = (self._data / "appendonlydir").glob("*.incr.aof")
        return log.stat().st_size

    def break_again(self) -> None:
        if self._how == "empty":
            with administrator(self.server.url) as client:
                client.flushall()
            return
        self.server.kill()
        shutil.rmtree(self._data / "appendonlydir")
        shutil.copytree(self._copy, self._data / "appendonlydir")
        self.server = started_valkey(self._data)


@pytest.mark.parametrize("how", ["empty", "cut", "cut, all written"])
@pytest.mark.parametrize("part", range(PARTS))
async def test_given_a_daemon_killed_at_any_step_of_a_heal_when_another_follows_then_the_end_is_the_same(
    part: int, how: str, short_path: Path, database_url: str, connection: asyncpg.Connection
) -> None:
    # Postgres itself goes on running, so that nothing here depends on the disk: do not wait for it.
    name = await connection.fetchval("SELECT current_database()")
    await connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    await migrate(connection)
    broken, rounds = Broken(short_path, how), Rounds(Random(1))
    async with casino_on(broken.server, database_url) as casino, casino.daemon():
        await casino.until_open()
        await rounds.play(casino.engine, ROUNDS)
        await casino.until_caught_up()
        length = broken.log_length()
        await rounds.play(casino.engine, ROUNDS)
        await casino.until_caught_up()
    broken.remember(length)
    step, killed_while_healing = part + 1, 0
    missing_max = 0 if how == "cut, all written" else MISSING_MAX
    try:
        while True:
            expected = await _mirror(connection)
            broken.break_again()
            case = Case(broken.server.url, database_url, short_path / "unused", step, missing_max)
            exit_code = run_forked(heal, case)
            async with casino_on(broken.server, database_url) as casino:
                killed_while_healing += any(heal["seconds"] is None for heal in await heals(casino))
                async with casino.daemon():
                    await casino.until_open()
                    await casino.until_caught_up()
                    assert await casino.durable_state() == expected == await casino.mirror()
                    await require_whole(casino)
                    assert await require_replies(casino, rounds) > 0
            if exit_code == 0:
                break  # the run has fewer steps than that
            assert exit_code == -signal.SIGKILL
            step += PARTS
    finally:
        broken.server.stop()
    assert step > STEPS_MIN
    assert killed_while_healing > 0


async def _mirror(connection: asyncpg.Connection) -> dict[tuple[str, str], bytes]:
    rows = await connection.fetch("SELECT key, field, value FROM mirror")
    return {(row["key"], row["field"]): row["value"] for row in rows}
