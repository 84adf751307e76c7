"""How far ClickHouse is behind: what it may lack counts, also where the cursor stands beyond it already."""

from pathlib import Path

import asyncpg
import pytest

from croupier.settings import Settings
from croupier.sinks import SinkProgress, sink_progress
from croupier_cli.analytics import carried_on
from croupier_cli.embedded import Kafka
from croupier_cli.embedded.clickhouse import ClickHouse as Server
from croupier_sync.export import kafka as kafka_clients
from croupier_sync.export import reading
from tests.export.olap import Olap, until_read_in_kafka
from tests.export.support import repeated
from tests.sync.support import until


@pytest.fixture
def olap(own: Olap) -> Olap:
    """A ClickHouse that the test may kill."""
    return own


async def progress(olap: Olap) -> SinkProgress:
    async with asyncpg.create_pool(olap.database_url, min_size=1, max_size=1) as pool:
        (found,) = await sink_progress(pool, ["clickhouse"])
        return found


async def say_where_it_ends(olap: Olap) -> None:
    """Have Postgres say of its log where that ends, as the sync daemon does."""
    await olap.connection.execute(
        "UPDATE partitions SET (epoch, seq, op_id, ts_ms, taken_epoch) = ($1, $2, '', 0, $1)",
        olap.log[-1].id.epoch,
        olap.log[-1].id.seq,
    )


async def drained(olap: Olap) -> bool:
    """Whether `croupier up` would stop now without leaving anything behind."""
    looks = iter(range(3))
    settings = Settings(database_url=olap.database_url, clickhouse_url=olap.url)
    return await carried_on(settings, lambda: next(looks, None) is None)


@pytest.mark.parametrize("through_kafka", [False, True], ids=["straight", "kafka"])
async def test_given_clickhouse_down_when_events_come_then_all_that_it_lacks_counts_as_lag_and_is_waited_for(
    olap: Olap, kafka: Kafka, tmp_path: Path, through_kafka: bool
) -> None:
    olap.kafka = kafka if through_kafka else None
    async with olap.exporting() as sinks:
        await olap.until_in_clickhouse()
        await olap.until_counted()
        if through_kafka:
            await until_read_in_kafka(olap)

        async def is_there() -> bool:
            return (await progress(olap)).lag_events == 0

        await until(is_there, "the lag to be gone")
        olap.server.kill()
        later = repeated(olap.log, 300)
        await olap.append(later)
        await say_where_it_ends(olap)

        async def under_way() -> bool:
            batches: int = await olap.connection.fetchval("SELECT count(*) FROM clickhouse_batches")
            return batches > 0 and sinks[-1].status.state == "unreachable"

        await until(under_way, "a batch that cannot be inserted")
        found = await progress(olap)
        assert found.lag_events == len(later)
        assert found.lag_seconds > 0
        assert not await drained(olap)
        with Server.start(tmp_path / "clickhouse", port=olap.server.port):
            await olap.until_in_clickhouse()
            await until(is_there, "the lag to be gone")
            assert await drained(olap)


async def test_given_a_broker_that_is_gone_when_nothing_is_read_then_the_sink_says_so(
    olap: Olap, kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_SILENCE_S", 0.2)
    monkeypatch.setattr(kafka_clients, "REQUEST_TIMEOUT_MS", 500)
    olap.kafka = kafka
    async with olap.exporting() as (_, sink):
        await olap.until_in_clickhouse()
        await until_read_in_kafka(olap)
        kafka.kill()

        async def said() -> bool:
            return bool(sink.status.state == "unreachable" and sink.status.detail.startswith("Kafka"))

        await until(said, "the sink to say that Kafka is away")
