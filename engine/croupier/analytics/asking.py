"""What the questions have in common: the days they look at, and how fresh the answer is.

Rows are read with FINAL, so that one that was inserted twice counts once. A statement may take 10 s and give 10,000
rows: see `croupier.clickhouse`.
"""

import datetime
from typing import Any, Final, NamedTuple

from croupier.clock import utc
from croupier.query import Sources

_AS_OF: Final = "SELECT count() AS events, max(created_at) AS newest FROM game_events"


class Period(NamedTuple):
    """Whole days of the game's zone, up to now: when the first one starts, and the number of the last."""

    since_ms: int
    now_ms: int
    today: int

    @classmethod
    def of(cls, sources: Sources, days: int) -> "Period":
        """The last so many days, today included."""
        engine = sources.engine
        now_ms = engine.now_ms()
        today = engine.zone.day(now_ms).number
        return cls(engine.zone.starts_ms(today - days + 1), now_ms, today)

    @property
    def since(self) -> datetime.datetime:
        return utc(self.since_ms)


async def ask(sources: Sources, statement: str, **parameters: object) -> list[dict[str, Any]]:
    """The rows of a statement. Raises CroupierError NOT_READY where there is no ClickHouse, or none that answers."""
    return await sources.olap.ask(statement, parameters)


async def as_of(sources: Sources) -> datetime.datetime | None:
    """Time of the last event that ClickHouse holds; None before the first. Raises CroupierError NOT_READY."""
    (row,) = await ask(sources, _AS_OF)
    newest: datetime.datetime = row["newest"]
    return newest if row["events"] else None
