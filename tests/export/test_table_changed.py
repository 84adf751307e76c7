"""A ClickHouse whose table is another one than expected: that can be put right, and is no reason for dead letters."""

from tests.export.olap import Olap
from tests.export.support import repeated
from tests.sync.support import until


async def test_given_a_column_that_is_gone_when_events_come_then_they_wait_until_it_is_back(
    olap: Olap,
) -> None:
    async with olap.exporting() as (sink,):
        await olap.until_in_clickhouse()
        await olap.clickhouse.execute("ALTER TABLE game_events DROP COLUMN granted", timeout_s=10)
        await olap.append(repeated(olap.log, 8))

        async def told() -> bool:
            return bool(sink.status.state == "unreachable" and "granted" in sink.status.detail)

        await until(told, "the sink to name the column")
        await olap.clickhouse.execute("ALTER TABLE game_events ADD COLUMN granted UInt64", timeout_s=10)
        await olap.until_in_clickhouse()
    assert await olap.connection.fetchval("SELECT count(*) FROM export_failures") == 0
