"""Events in ClickHouse, by the sink's own rows; some of them twice, as after a batch whose token had been forgotten."""

from collections import defaultdict
from collections.abc import Sequence

from croupier.clickhouse import ClickHouse
from croupier.economy import canonical, version
from croupier_schemas.economy import Economy
from croupier_schemas.events import Event
from croupier_sync.export.clickhouse_tables import migrate
from croupier_sync.export.counting import count_day
from croupier_sync.export.messages import Renderer
from croupier_sync.export.rows import Row, row_of
from croupier_sync.export.writer import insert


async def fill(
    clickhouse: ClickHouse, events: Sequence[Event], economies: Sequence[Economy], *, count: bool = True
) -> None:
    """Make the tables, insert every event, every second one once more, and `count` all days."""
    await migrate(clickhouse)
    renderer = Renderer("buy_package")
    for economy in economies:
        renderer.learn(bytes.fromhex(version(economy)), canonical(economy))
    rows = [row_of(message.value) for message in renderer.render(events)]
    by_month: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_month[f"{row.day:%Y%m}"].append(row)
    for month, of_month in by_month.items():
        await insert(clickhouse, of_month, f"{month}-first")
        await insert(clickhouse, of_month[::2], f"{month}-again")
    for number, day in enumerate(sorted({row.day for row in rows} if count else ()), start=1):
        await count_day(clickhouse, day, number)
