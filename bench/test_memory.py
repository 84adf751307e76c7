"""Memory of one worker over many requests, by half over HTTP and by half over WebSockets.

The run is a short one; CROUPIER_BENCH_REQUESTS=10000000 asks for the long one: a quarter of an hour. What the
first tenth of the requests fills up (remembered tokens, pools of buffers) is not counted as growth.
"""

import contextlib
import os
from pathlib import Path
from typing import Any

import psutil
import pytest

from bench.harness import RawConnection, outbox
from bench.serving import REQUESTS, pin, pulls, serving
from bench.target import Target
from bench.test_ws import COMMANDS, UNLIMITED, over_ws

TOTAL = int(os.environ.get("CROUPIER_BENCH_REQUESTS", "300000"))
EVENTS_KEPT = 10_000


@pytest.mark.benchmark(group="memory of one worker over many requests")
def test_memory_of_a_worker(benchmark: Any, redis_target: Target, tmp_path: Path) -> None:
    total = TOTAL if benchmark.enabled else 3 * REQUESTS
    with contextlib.ExitStack() as stack:
        worker = stack.enter_context(serving(redis_target, tmp_path, 1, **UNLIMITED))
        pin(redis_target.pid, 1)
        redis = RawConnection(redis_target.url)
        stack.callback(redis.close)
        log = outbox(redis)
        generators = [
            stack.enter_context(contextlib.closing(pulls(worker.port, worker.pid))),
            stack.enter_context(contextlib.closing(over_ws(worker, 8, "croupier.msgpack"))),
        ]
        process, resident = psutil.Process(worker.pid), [(0, 0)]

        def run() -> None:
            done = 0
            while done < total:
                for generator in generators:
                    generator.run()
                done += REQUESTS + COMMANDS
                redis.call("XTRIM", log, "MAXLEN", EVENTS_KEPT)  # nobody carries them to Postgres
                resident.append((done, process.memory_info().rss))

        benchmark.pedantic(run, rounds=1, iterations=1)

    filled_up = next((each for each in resident if each[0] >= total / 10), resident[-1])
    last = resident[-1]
    benchmark.extra_info |= {
        "requests": last[0],
        "mib_after_a_tenth": round(filled_up[1] / 2**20, 1),
        "mib_at_the_end": round(last[1] / 2**20, 1),
        "bytes_per_request": round((last[1] - filled_up[1]) / max(1, last[0] - filled_up[0]), 3),
    }
