"""A load from its first connection to its last answer."""

import asyncio
import gc
import resource
import signal
import time
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from croupier_cli.errors import CannotRun
from croupier_cli.load.arguments import REQUESTS_MAX, Arguments
from croupier_cli.load.http import HttpLine
from croupier_cli.load.http_requests import HttpRequests
from croupier_cli.load.keys import Keys
from croupier_cli.load.line import Line, NotOpened, Unreadable
from croupier_cli.load.pool import Pool
from croupier_cli.load.progress import showing
from croupier_cli.load.run import Run, ServerGone, ticking, watch
from croupier_cli.load.scenarios import Mix
from croupier_cli.load.schedule import ClosedLoop, OpenLoop, Schedule
from croupier_cli.load.tally import Tally
from croupier_cli.load.target import Target
from croupier_cli.load.ws import WsFrames, WsLine
from croupier_client.codecs import CODECS

_FILES_BESIDE: Final = 64


class Measured(NamedTuple):
    """What was counted. `cpu_s` is what this process took of the processor meanwhile."""

    tally: Tally
    schedule: Schedule
    cpu_s: float
    ended_early: str | None


async def measure(arguments: Arguments, target: Target, mix: Mix, tokens: Sequence[str]) -> Measured:
    """Send the load. Ctrl-C ends it early. Raises CannotRun where it cannot begin or the answers are not understood."""
    pool = pool_of(arguments, target, mix, tokens)
    try:
        await pool.open()
        # What is there now stays; the collector need not look at it again while latencies are measured.
        gc.collect()
        gc.freeze()
        early: str | None = None
        if arguments.warmup:
            *_, early = await _stretch(arguments, mix, pool, "warming up", arguments.warmup, REQUESTS_MAX)
        if early:
            raise CannotRun(f"the load ended while warming up: {early}")
        turns = -(-(arguments.requests or REQUESTS_MAX) // arguments.commands_per_frame)
        return await _stretch(arguments, mix, pool, "load", arguments.seconds, turns)
    except (NotOpened, OSError, TimeoutError) as error:
        raise CannotRun(f"{target.url} takes no connection: {error or type(error).__name__}") from error
    except Unreadable as error:
        raise CannotRun(f"{target.url}: {error}") from error
    finally:
        await pool.close()


def pool_of(arguments: Arguments, target: Target, mix: Mix, tokens: Sequence[str]) -> Pool:
    """Connections that are not open yet."""
    keys = Keys() if arguments.idempotent else None
    if not arguments.ws:
        requests = HttpRequests(mix, target, tokens, keys)
        _allow_files(arguments.connections)
        return Pool(target, arguments.connections, lambda _, on_lost: HttpLine(requests, on_lost))
    frames = WsFrames(mix, target, CODECS["msgpack"], arguments.commands_per_frame, keys)
    sockets = max(len(tokens), arguments.connections)
    _allow_files(sockets)

    def make(number: int, on_lost: Callable[[Line], None]) -> WsLine:
        return WsLine(frames, tokens[number % len(tokens)], on_lost)

    return Pool(target, sockets, make)


async def _stretch(
    arguments: Arguments, mix: Mix, pool: Pool, what: str, seconds: float, turns: int
) -> Measured:
    """So many turns, for so long at most."""
    began_ns = time.perf_counter_ns()
    ends_ns = began_ns + round(seconds * 1e9)
    turns_per_s = (arguments.rate or 0.0) / arguments.commands_per_frame
    schedule: Schedule = ClosedLoop(ends_ns, turns)
    if arguments.rate is not None:
        schedule = OpenLoop(began_ns, ends_ns, turns, turns_per_s, arguments.queue)
    run = Run(schedule, Tally(mix.steps, began_ns), arguments.connections)
    early: list[str] = []

    def interrupt() -> None:
        early.append("interrupted")
        run.stop()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, interrupt)
    cpu_s = time.process_time()
    try:
        with showing(run, what, seconds) as show, ticking(run, turns_per_s):
            pool.begin(run)
            await watch(run, pool.lines, ends_ns, arguments.timeout, show)
    except ServerGone as gone:
        early.append(str(gone))
    finally:
        loop.remove_signal_handler(signal.SIGINT)
    return Measured(run.tally, schedule, time.process_time() - cpu_s, early[0] if early else None)


def _allow_files(connections: int) -> None:
    """Let this process have so many connections open. Raises CannotRun."""
    needed = connections + _FILES_BESIDE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        if hard != resource.RLIM_INFINITY and hard < needed:
            raise CannotRun(
                f"{connections:,} connections need more files than `ulimit -Hn` allows ({hard:,})"
            )
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
