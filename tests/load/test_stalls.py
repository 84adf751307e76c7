"""A server that stands still, goes away, or comes back: what the load says of the requests that were due meanwhile."""

import asyncio
import contextlib
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from tests.cli.support import command, environment
from tests.http.served import serving
from tests.http.support import SECRET, Client, settings_for, until
from tests.load.support import assert_adds_up, draws, generous_economy

RATE = 200
SECONDS = 1.5
STILL_S = 0.6


class Loading:
    """A `croupier load` that runs against a worker of its own."""

    def __init__(self, process: asyncio.subprocess.Process, client: Client, worker_pid: int) -> None:
        self.process = process
        self.client = client
        self.worker_pid = worker_pid

    async def until_begun(self) -> None:
        async def has_drawn() -> bool:
            return await draws(self.client, 1) > 10

        await until(has_drawn, "the first draws")

    @contextlib.contextmanager
    def standing_still(self) -> Iterator[None]:
        """The worker does nothing while the block runs."""
        os.kill(self.worker_pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.worker_pid, signal.SIGCONT)

    async def stand_still(self, seconds: float) -> float:
        """Let the worker do nothing for so long; for how many seconds that was for certain."""
        with self.standing_still():
            began_s = time.monotonic()
            await asyncio.sleep(seconds)
            return time.monotonic() - began_s

    async def result(self, exit_code: int = 0) -> Any:
        printed, said = await self.process.communicate()
        assert self.process.returncode == exit_code, said
        result = json.loads(printed)
        assert_adds_up(result)
        return result


@contextlib.asynccontextmanager
async def loading(redis_url: str, directory: Path, *arguments: str) -> AsyncIterator[Loading]:
    settings = settings_for(redis_url, economy=str(generous_economy(directory)))
    async with serving(settings) as (server, client):
        await until_ready(client)
        process = await asyncio.create_subprocess_exec(
            *command("load", "--url", client.url, "--json", "--players", "1", *arguments),
            env=environment(JWT_SECRET_KEY=SECRET),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            yield Loading(process, client, server.events("worker started")[0]["worker_pid"])
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def until_ready(client: Client) -> None:
    async def is_ready() -> bool:
        return (await client.get("/ready")).status == 200

    await until(is_ready, "/ready")


def waited_at_least(hgrm: str, ms: float) -> int:
    """How many latencies of the file were so long for certain: all above the first line that is."""
    rows = [line.split() for line in hgrm.splitlines()[2:] if not line.startswith("#")]
    total = int(rows[-1][2])
    return total - min((int(row[2]) for row in rows if float(row[0]) >= ms), default=total)


async def test_given_a_server_that_stands_still_when_loaded_at_a_rate_then_every_request_due_meanwhile_shows_its_wait(
    redis_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "load.hgrm"
    rate = ("--rate", f"{RATE}", "--duration", f"{SECONDS}s", "--connections", "4", "--histogram", str(file))
    async with loading(redis_url, tmp_path, *rate) as running:
        await running.until_begun()
        still_s = await running.stand_still(STILL_S)
        result = await running.result()

    assert result["total"]["requests"] == result["total"]["done"] == RATE * SECONDS
    # What was due in the first half of that time waited for the other half at least; the file's lines are some percent
    # apart. Were latencies counted from when requests are sent, these would be as many as there are connections: 4.
    assert waited_at_least(file.read_text(), 1000 * still_s / 2) > RATE * still_s / 4
    assert result["total"]["latency_ms"]["max"] >= 1000 * still_s * 0.9


async def test_given_a_server_that_never_answers_then_what_was_sent_times_out_and_what_finds_no_room_is_not_sent(
    redis_url: str, tmp_path: Path
) -> None:
    rate = (
        "--rate",
        f"{RATE}",
        "--duration",
        "1s",
        "--connections",
        "4",
        "--queue",
        "5",
        "--timeout",
        "200ms",
    )
    async with loading(redis_url, tmp_path, *rate, "--error-budget", "1%") as running:
        await running.until_begun()
        with running.standing_still():
            result = await running.result(exit_code=3)

    total = result["total"]
    errors = total["by_code"]["errors"]
    assert total["requests"] == RATE
    assert total["errors"] == errors["timeout"] + errors["not sent"] == RATE - total["done"]
    assert errors["timeout"] >= 4
    assert total["latency_ms"]["max"] >= 200


async def test_given_a_worker_that_is_killed_when_loaded_then_lost_connections_are_errors_and_it_goes_on(
    redis_url: str, tmp_path: Path
) -> None:
    async with loading(redis_url, tmp_path, "--rate", f"{RATE}", "--duration", "1s") as running:
        await running.until_begun()
        done = await draws(running.client, 1)
        os.kill(running.worker_pid, signal.SIGSTOP)
        await asyncio.sleep(10 / RATE)  # so that requests wait for their answers
        os.kill(running.worker_pid, signal.SIGKILL)
        result = await running.result()

    total = result["total"]
    assert total["requests"] == RATE
    assert total["by_code"]["errors"]["connection lost"] == total["errors"] >= 1
    assert total["done"] == RATE - total["errors"] > done


async def test_given_ctrl_c_when_loaded_then_what_was_measured_is_printed(
    redis_url: str, tmp_path: Path
) -> None:
    async with loading(redis_url, tmp_path, "--rate", f"{RATE}", "--duration", "60s") as running:
        await running.until_begun()
        running.process.send_signal(signal.SIGINT)
        result = await running.result(exit_code=2)

    assert result["ended_early"] == "interrupted"
    assert result["total"]["done"] > 0
    assert result["total"]["errors"] == 0
