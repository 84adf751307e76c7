"""A daemon killed between any two steps leaves Postgres equal to the log once it is started again.

Every other step, unless CROUPIER_TEST_KILL_STRIDE=1 asks for all, as `make soak` does.
"""

import os
import signal
from pathlib import Path

import pytest

from tests.forked import run_forked
from tests.sync.killed import Case, captured, main
from tests.sync.recount import held_stats, recount
from tests.sync.support import TABLES, Casino

PARTS = 4
STEPS_MIN = 60
STRIDE = int(os.environ.get("CROUPIER_TEST_KILL_STRIDE", "2"))

_RESET = (
    *(f"DELETE FROM {table}" for table in TABLES if table != "partitions"),
    "UPDATE partitions SET epoch = NULL, seq = NULL, op_id = NULL, ts_ms = NULL, taken_epoch = 0, taken_identity = ''",
)


@pytest.mark.parametrize("part", range(PARTS))
async def test_given_a_daemon_killed_at_any_step_when_started_again_then_postgres_equals_the_log(
    casino: Casino, tmp_path: Path, part: int
) -> None:
    # Postgres itself goes on running, so that nothing here depends on the disk: do not wait for it.
    await casino.connection.execute(
        f"ALTER DATABASE {await casino.connection.fetchval('SELECT current_database()')} SET synchronous_commit = off"
    )
    step = part + 1
    while True:
        await casino.administer("FLUSHALL")
        await casino.connection.execute("; ".join(_RESET))
        case = Case(casino.redis_url, casino.database_url, tmp_path / f"log-{step}", step)
        exit_code = run_forked(main, case)
        if exit_code == -signal.SIGKILL:
            assert run_forked(main, case._replace(step=-1)) == 0
        await _require_postgres_is_the_log(casino, case.captured)
        if exit_code == 0:
            break  # the run has fewer steps than that
        assert exit_code == -signal.SIGKILL
        step += PARTS * STRIDE
    assert step > STEPS_MIN


async def _require_postgres_is_the_log(casino: Casino, path: Path) -> None:
    log = captured(path)
    pulls = sum(event.header.type == "gacha.pulled" for event in log)
    await casino.require_events_are(log)
    await casino.require_mirror()
    await casino.require_ledger_adds_up()
    assert await held_stats(casino) == recount(log)
    assert await casino.connection.fetchval("SELECT count(*) FROM game_history") == pulls
    assert await casino.connection.fetchval("SELECT count(*) FROM projection_failures") == 0
