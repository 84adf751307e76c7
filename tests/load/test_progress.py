"""What is shown while a load runs."""

import asyncio
import os
import pty

import pytest

from croupier_cli.load.progress import progress_line, showing
from croupier_cli.load.run import Run
from croupier_cli.load.scenarios import parse_mix
from croupier_cli.load.schedule import ClosedLoop
from croupier_cli.load.tally import LOST, Tally
from tests.cli.support import command, environment
from tests.http.support import SECRET, Client

SECOND_NS = 1_000_000_000


async def some_run() -> Run:
    """50 requests that took 0.1 ms, and one that was lost."""
    mix = parse_mix(["pull"])
    tally = Tally(mix.steps, 0)
    for _ in range(50):
        tally.rough.record(100)
    tally.failed(mix.steps[0], LOST)
    return Run(ClosedLoop(10 * SECOND_NS, 10**6), tally, 8)


async def test_given_a_run_then_the_line_has_rate_latencies_errors_and_what_is_in_flight() -> None:
    run = await some_run()
    run.in_flight = 8

    assert progress_line(run, "load", 30.0, 10 * SECOND_NS) == (
        "load 10 of 30 s: 5/s, p50 0.10 ms, p99 0.10 ms, 1 errors, 8 in flight"
    )


async def test_given_no_terminal_when_it_is_told_the_time_then_a_line_comes_every_five_seconds(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with showing(await some_run(), "load", 12.0) as show:
        for tenths in range(1, 121):
            show(tenths * SECOND_NS // 10)

    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["load 5 of 12 s", "load 10 of 12 s"]


async def test_given_a_terminal_when_loaded_then_one_line_is_rewritten_and_gone_at_the_end(
    client: Client,
) -> None:
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *command("load", "--url", client.url, "--duration", "500ms", "--json"),
        env=environment(JWT_SECRET_KEY=SECRET),
        stdout=asyncio.subprocess.PIPE,
        stderr=theirs,
    )
    os.close(theirs)
    printed, _ = await process.communicate()
    shown = os.read(ours, 65_536).decode()
    os.close(ours)

    assert process.returncode == 0, shown
    assert printed.startswith(b"{")
    assert shown.count("\r\x1b[Kload ") >= 1
    assert "in flight" in shown
    assert shown.endswith("\r\x1b[K")
