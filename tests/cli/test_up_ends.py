"""How `croupier up` ends when something else than its user ends it, or its user is in a hurry."""

import asyncio
import itertools
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from croupier_cli.embedded import Postgres
from tests.cli.support import DEADLINE_S, command, environment, is_free, processes_of_directory, running_up
from tests.embedded.support import is_gone, wait_until

_players = itertools.count(1)


@pytest.fixture(scope="module")
def data() -> Iterator[Path]:
    """A data directory on which test after test runs `up`: whatever its end, the next one must find all in order."""
    with tempfile.TemporaryDirectory(prefix="croupier-cli-") as name:
        yield Path(name) / "data"


@pytest.fixture
def player() -> int:
    """A player whom no other test has used."""
    return next(_players)


def test_given_up_killed_then_no_process_of_it_is_left_and_the_next_start_finds_the_data(
    data: Path, player: int
) -> None:
    with running_up(data) as first:
        first.pull(player)
        first.process.kill()
        # The next start waits by itself until the last process has let go of the data directory.
        with running_up(data) as second:
            assert [each for each in first.processes[1:] if not is_gone(each)] == []
            assert is_free(first.port)
            assert second.ask("/api/wallet", user=player)["tokens"] == 95_000
            second.stop()


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("croupier_cli.main serve", "croupier serve"),
        ("croupier_cli.main sync", "croupier sync"),
        ("valkey-server", "Valkey"),
    ],
)
def test_given_a_part_killed_then_up_says_which_stops_the_others_and_fails(
    data: Path, words: str, name: str
) -> None:
    with running_up(data) as up:
        up.child(words).kill()
        assert up.process.wait(DEADLINE_S) == 1, up.said()
        assert f"croupier: {name} has ended unexpectedly" in up.said()
        # Workers that have lost their supervisor finish what they have begun.
        wait_until(lambda: all(map(is_gone, up.processes)), DEADLINE_S)
        assert is_free(up.port)


def test_given_a_worker_killed_then_another_one_takes_its_place(data: Path, player: int) -> None:
    with running_up(data) as up:
        up.child("croupier_http.worker").kill()

        def answers() -> bool:
            try:
                return bool(up.ask("/ready")["status"] == "ready")
            except OSError:
                return False

        wait_until(answers, DEADLINE_S)
        assert up.pull(player)["balance"] == 95_000
        up.processes += psutil.Process(up.process.pid).children(recursive=True)
        up.stop()


async def test_given_a_daemon_that_is_behind_when_stopped_then_postgres_gets_all_before_it_is_stopped(
    data: Path, player: int
) -> None:
    with running_up(data) as up:
        connection = await asyncpg.connect(up.ready["database_url"])
        async with connection.transaction():
            await connection.execute("LOCK TABLE events")
            up.pull(player)
            while not await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
                await asyncio.sleep(0.01)  # until the daemon hangs in the batch of the first pull
            up.pull(player)
            os.killpg(up.process.pid, signal.SIGINT)
            up.until_said("stopping the sync daemon")
        await connection.close()
        up.require_end(0)
        assert "next start" not in up.said()
    with Postgres.start(data / "postgres") as postgres:
        connection = await asyncpg.connect(postgres.url)
        assert await connection.fetchval("SELECT count(*) FROM events WHERE uid = $1", player) == 2
        await connection.close()


def test_given_a_daemon_that_hangs_when_interrupted_twice_then_the_stop_does_not_wait_for_it(
    data: Path, player: int
) -> None:
    with running_up(data) as up:
        os.kill(up.child("croupier_cli.main sync").pid, signal.SIGSTOP)
        up.pull(player)
        up.process.send_signal(signal.SIGINT)
        up.until_said("stopping the sync daemon")

        def interrupted_again() -> bool:
            up.process.send_signal(signal.SIGINT)
            return up.process.poll() is not None

        # Less than the 25 seconds that the daemon would be given to end by itself, after 10 to catch up.
        wait_until(interrupted_again, timeout_s=20)
        up.require_end(0)
        assert "the next start carries the rest of the outbox to Postgres" in up.said()
    with running_up(data) as second:
        wait_until(lambda: second.ask("/api/games/history", user=player)["total"] == 1, DEADLINE_S)
        second.stop()


def test_given_starts_interrupted_at_any_moment_then_nothing_is_left_and_the_next_start_works(
    directory: Path,
) -> None:
    data = directory / "data"
    env = environment(CROUPIER_DATA_DIR=str(data), CROUPIER_HTTP_PORT="0")
    for moment in (
        "starting Valkey",
        "starting Postgres",
        "checking the servers",
        "starting the sync daemon",
    ):
        with subprocess.Popen(
            command("up"), env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stderr is not None
            while moment not in (line := process.stderr.readline()):
                assert line, "it ended before"
            process.send_signal(signal.SIGINT)
            printed, said = process.communicate(timeout=DEADLINE_S)
        assert (process.returncode, printed) == (0, ""), said
        # Programs that initdb had begun end a moment after it; the lock keeps the next start waiting until then.
        wait_until(lambda: processes_of_directory(data) == [], DEADLINE_S)
    with running_up(data) as up:
        assert up.pull()["balance"] == 95_000
        up.stop()
