"""A load generator in a process of its own: that of `croupier load`, in a closed loop, in rounds.

The first line of standard input describes the load (`Load`, in JSON); each further line is a number of requests. For
each of those a line of JSON comes back: the seconds it took, and how often each status was answered.
"""

import asyncio
import sys
import time
from collections import Counter

import msgspec
import uvloop

from croupier_cli.load.http import HttpLine
from croupier_cli.load.http_requests import HttpRequests
from croupier_cli.load.pool import Pool
from croupier_cli.load.run import Run
from croupier_cli.load.scenarios import Mix, Step
from croupier_cli.load.schedule import ClosedLoop
from croupier_cli.load.tally import Tally
from croupier_cli.load.target import Target

_NEVER_NS = 2**63


class Load(msgspec.Struct):
    """What to send: POST the JSON `body` to `path`, with each of `tokens` in turn, over `connections` connections."""

    port: int
    path: str
    body: str
    tokens: list[str]
    connections: int = 32


class Result(msgspec.Struct):
    """What came back."""

    seconds: float
    statuses: dict[str, int]


def local(port: int) -> Target:
    """A server on this machine."""
    return Target("127.0.0.1", port, is_tls=False, prefix="")


async def run_rounds(pool: Pool, step: Step, places: int, per_turn: int = 1) -> None:
    """Run a round of that many requests for each line that comes in; `places` turns are on their way at once."""
    loop = asyncio.get_running_loop()
    await pool.open()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        tally = Tally([step], time.perf_counter_ns())
        run = Run(ClosedLoop(_NEVER_NS, int(line) // per_turn), tally, places)
        started = time.perf_counter()
        pool.begin(run)
        await run.is_done
        result = Result(time.perf_counter() - started, statuses_of(tally))
        print(msgspec.json.encode(result).decode(), flush=True)
    await pool.close()


def statuses_of(tally: Tally) -> dict[str, int]:
    """How often each status was answered; what was not answered is there by its cause."""
    (counted,) = tally.steps
    statuses = Counter({"200": counted.done})
    for (_, code), count in counted.others.items():
        statuses[code.partition(" ")[0]] += count
    return {status: count for status, count in statuses.items() if count}


async def main() -> None:
    load = msgspec.json.decode(sys.stdin.readline(), type=Load)
    step = Step(0, "request", load.path, "", msgspec.json.decode(load.body))
    requests = HttpRequests(Mix((step,), (step,), (1.0,)), local(load.port), load.tokens, None)
    pool = Pool(local(load.port), load.connections, lambda _, on_lost: HttpLine(requests, on_lost))
    await run_rounds(pool, step, load.connections)


if __name__ == "__main__":
    uvloop.run(main())
