"""The sink ClickHouse ended at any step, before it and after it: the next one has every event in ClickHouse once."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import asyncpg
import pytest

from croupier.clickhouse import ClickHouse
from croupier_cli.embedded import Kafka
from croupier_sync.export import carrying, counting, reading
from croupier_sync.export.clickhouse import ClickHouseSink
from tests.export.olap import Olap, publish, until_read_in_kafka
from tests.export.support import repeated
from tests.sync.support import until

BATCH_MAX = 60
STEPS_MIN = 12
# In the usual run it is every so many steps, but for those before which it ends without Kafka: through Kafka one takes
# half a second, and what is left behind after a step is mostly what is before the next one.
STRIDE = int(os.environ.get("CROUPIER_TEST_EXPORT_STRIDE", "5"))

_STEPS: dict[type, tuple[str, ...]] = {
    asyncpg.Connection: ("execute", "executemany", "fetchval"),
    ClickHouse: ("execute", "insert"),
}


class Killed(BaseException):
    """The daemon is gone. Nothing in it may catch this."""


class Steps:
    """Counts what the sink writes to Postgres and ClickHouse, and ends it at one step: before it or after it."""

    def __init__(self, patch: pytest.MonkeyPatch, own: asyncpg.Connection) -> None:
        """`own` is the test's connection, which does not count."""
        self._at = 0
        self._after = False
        self._own = own
        self.count = 0
        for owner, names in _STEPS.items():
            for name in names:
                patch.setattr(owner, name, self._counted(getattr(owner, name)))

    def arm(self, step: int, *, after: bool) -> None:
        """End at this step, by this number from 1; 0 is never."""
        self._at, self._after, self.count = step, after, 0

    def _counted(self, method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def step(owner: object, *args: Any, **options: Any) -> Any:
            writes = isinstance(owner, ClickHouse) or (
                owner is not self._own and args[0].lstrip().startswith(("INSERT", "UPDATE", "DELETE"))
            )
            if not writes or not self._at:
                return await method(owner, *args, **options)
            self.count += 1
            if self.count == self._at and not self._after:
                raise Killed
            result = await method(owner, *args, **options)
            if self.count == self._at:
                raise Killed
            return result

        return step


@pytest.mark.timeout(600)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("through_kafka", [False, True], ids=["straight", "kafka"])
async def test_given_a_sink_that_ends_at_any_step_when_the_next_one_follows_then_each_event_is_one_row(
    olap: Olap, kafka: Kafka, monkeypatch: pytest.MonkeyPatch, through_kafka: bool, after: bool
) -> None:
    monkeypatch.setattr(carrying, "GATHER_S", 0.0)
    monkeypatch.setattr(reading, "GATHER_S", 0.0)
    monkeypatch.setattr(counting, "COUNT_EVERY_S", 0.01)
    monkeypatch.setattr(counting, "PAUSE_PER_DURATION", 0.0)
    await olap.follow_once(ClickHouseSink(olap.settings, BATCH_MAX))
    if through_kafka:
        olap.kafka = kafka
        async with olap.exporting():
            await until_read_in_kafka(olap)
    stride = STRIDE if through_kafka or after else 1
    steps, step = Steps(monkeypatch, olap.connection), (stride // 2 if after else 0)
    while True:
        step += stride
        await olap.require_no_event_twice()
        await olap.merge()
        # What earlier ones have left behind is there as well, but does not grow from one to the next.
        if await behind(olap) < 2 * BATCH_MAX:
            await olap.append(repeated(olap.log, 2 * BATCH_MAX))
        if through_kafka:
            await publish(olap)
        if not await ends(olap, steps, step, after=after):
            break
        if (
            through_kafka
        ):  # what was read in Kafka, and lies beyond the cursor, must be known to one without Kafka
            await olap.without_kafka().follow_once(ClickHouseSink(olap.without_kafka().settings, BATCH_MAX))
    assert step > STEPS_MIN
    await olap.follow_once(ClickHouseSink(olap.settings, BATCH_MAX))
    await olap.require_each_event_once()
    assert await olap.connection.fetchval("SELECT count(*) FROM export_failures") == 0


async def behind(olap: Olap) -> int:
    """How many events of the log ClickHouse's cursor has still before it."""
    seq: int = await olap.connection.fetchval("SELECT seq FROM sink_cursors WHERE sink = 'clickhouse'")
    return olap.log[-1].id.seq - seq


async def ends(olap: Olap, steps: Steps, step: int, *, after: bool) -> bool:
    """Serve the sink; whether it ended at that step, or else had fewer until it had done everything."""
    connection, stop = await asyncpg.connect(olap.database_url), asyncio.Event()
    steps.arm(step, after=after)
    following = asyncio.create_task(follow(ClickHouseSink(olap.settings, BATCH_MAX), connection, stop))

    async def done() -> bool:
        if following.done():
            return True
        left: int = await olap.connection.fetchval(
            "SELECT (SELECT count(*) FROM clickhouse_days) + (SELECT count(*) FROM clickhouse_batches)"
            " + (SELECT count(*) FROM sink_cursors WHERE sink = 'clickhouse' AND seq < $1)",
            olap.log[-1].id.seq,
        )
        return left == 0

    await until(done, "the sink to be killed, or to have done everything")
    reached = steps.count >= step
    steps.arm(0, after=False)
    stop.set()
    await following
    connection.terminate()
    return reached


async def follow(sink: ClickHouseSink, connection: asyncpg.Connection, stop: asyncio.Event) -> None:
    """Serve it until it is killed, or told to stop."""
    with suppress(Killed):
        await sink.follow(connection, stop)
