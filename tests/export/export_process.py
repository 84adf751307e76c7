"""The export in a process of its own, for tests that kill it. Forked from a server that has all imports."""

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from croupier.settings import Settings
from croupier_sync.export.clickhouse import ClickHouseSink
from croupier_sync.export.publisher import Publisher
from croupier_sync.export.turns import Sink, Turns
from croupier_sync.limits import Limits

PUBLISHED_MAX = 400
INSERTED_MAX = 1_000

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["tests.export.export_process", "aiokafka", "clickhouse_connect"])


def export(environment: Mapping[str, str]) -> None:
    """Run the sinks that are on, with small batches, until the process is killed."""
    asyncio.run(_export(Settings.from_environment(environment)))


async def _export(settings: Settings) -> None:
    sinks: list[Sink] = [ClickHouseSink(settings, INSERTED_MAX)]
    if settings.kafka_on:
        sinks.append(Publisher(settings, PUBLISHED_MAX))
    limits = Limits(heartbeat_s=0.1, silence_max_s=1.0)
    await asyncio.gather(*(Turns(sink, settings.database_url, limits).run(asyncio.Event()) for sink in sinks))


class ExportProcess:
    """An export that can be killed, and started again."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._start()

    def _start(self) -> None:
        self._process = _processes.Process(target=export, args=(self._environment,))
        self._process.start()

    def kill_and_restart(self) -> None:
        """SIGKILL at this moment, and another one in its place."""
        self.kill()
        self._start()

    def kill(self) -> None:
        assert self._process.pid is not None
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.join()
        assert self._process.exitcode == -signal.SIGKILL, "it ran until it was killed"


@contextmanager
def exporting(environment: Mapping[str, str]) -> Iterator[ExportProcess]:
    """An export, killed at the end of the block."""
    process = ExportProcess(environment)
    try:
        yield process
    finally:
        process.kill()
