"""Ten thousand idle WebSockets on one worker: memory, and CPU that the heartbeats and the watching take.

Client and server are two processes, so that each needs no more files than the sockets there are.
"""

import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from bench.harness import sized
from bench.idle_clients import Idle
from bench.serving import one_worker, tokens

IDLE = 10_000
OTHER_FILES = 500
"""Files of the worker that are no sockets of clients, and some to spare."""

LOOK_S = 5


@pytest.mark.benchmark(group="idle WebSockets of one worker")
def test_memory_of_idle_sockets(benchmark: Any, tmp_path: Path) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = min(sized(benchmark, IDLE, 100), hard - OTHER_FILES)
    with one_worker(tmp_path, CROUPIER_WS_SOCKETS_MAX=str(count)) as worker:
        process = psutil.Process(worker.pid)
        process.rlimit(psutil.RLIMIT_NOFILE, (hard, hard))
        before, cpu_before = process.memory_info().rss, process.cpu_times()
        clients = subprocess.Popen(
            [sys.executable, "-m", "bench.idle_clients"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        asked, answered = clients.stdin, clients.stdout
        assert asked is not None
        assert answered is not None
        line = msgspec.json.encode(Idle(worker.port, tokens(count))).decode()

        def open_all() -> None:
            asked.write(line + "\n")
            asked.flush()
            assert answered.readline() == f"{count}\n"

        try:
            benchmark.pedantic(open_all, rounds=1, iterations=1)
            cpu, rss = process.cpu_times(), process.memory_info().rss
            process.cpu_percent()
            benchmark.extra_info |= {
                "sockets": count,
                "rss_kib_per_socket": round((rss - before) / count / 1024, 1),
                "cpu_us_to_open": round(
                    (cpu.user + cpu.system - cpu_before.user - cpu_before.system) / count * 1e6
                ),
                "cpu_percent_idle": process.cpu_percent(interval=LOOK_S),
            }
        finally:
            clients.communicate()
