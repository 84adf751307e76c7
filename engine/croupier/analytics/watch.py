"""The alarm for odds that are off: p-values for the metrics, asked for now and then, and not at each scrape."""

import asyncio
import time
from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

import structlog

from croupier.analytics.odds import odds
from croupier.clickhouse import ClickHouseError
from croupier.command import SYSTEM_ROLE, Caller
from croupier.errors import CroupierError
from croupier.query import Sources
from croupier_schemas.analytics import DrawnOdds, OddsQuery

log = structlog.get_logger(__name__)

DAYS: Final = 7
"""The draws that are looked at."""
INTERVAL_S: Final = 300.0
"""ClickHouse is asked no more often than this, and only where somebody reads the metrics."""
AGE_MAX_S: Final = 3 * INTERVAL_S
"""What is older is not shown any more."""


class Tested(NamedTuple):
    """A test of the odds: of the rarities drawn from a banner, or of the items delivered within their rarities."""

    banner: str
    test: Literal["rarities", "items"]


class OddsWatch:
    """The p-values as they were when ClickHouse was last asked."""

    def __init__(self, sources: Sources, interval_s: float = INTERVAL_S) -> None:
        self._sources = sources
        self._interval_s = interval_s
        self._wanted = asyncio.Event()
        self._p_values: Mapping[Tested, float] = {}
        self._looked_s = -AGE_MAX_S

    def read(self) -> Mapping[Tested, float]:
        """The p-values, of several versions of the economy the smallest. Nothing where they are not known now.

        That somebody reads them makes `keep_watching` look again, when it is time.
        """
        self._wanted.set()
        return self._p_values if time.monotonic() - self._looked_s < AGE_MAX_S else {}

    async def keep_watching(self) -> None:
        """Look whenever the p-values were read since, at most once per interval. Never returns."""
        while self._sources.clickhouse is not None:
            await self._wanted.wait()
            self._wanted.clear()
            try:
                await self._look()
            except (CroupierError, ClickHouseError) as error:
                log.warning("the odds cannot be watched", error=str(error))
            await asyncio.sleep(self._interval_s)
        await asyncio.Event().wait()

    async def _look(self) -> None:
        """Raises CroupierError NOT_READY, and ClickHouseError."""
        itself = Caller(0, "", SYSTEM_ROLE, b"")
        reply = await odds(self._sources, itself, OddsQuery(DAYS))
        self._p_values, self._looked_s = smallest(reply.items), time.monotonic()


def smallest(items: list[DrawnOdds]) -> dict[Tested, float]:
    """The smallest p-value of each test, over the versions of the economy."""
    p_values: dict[Tested, float] = {}
    for item in items:
        for tested, p_value in (
            (Tested(item.banner, "rarities"), item.p_value),
            (Tested(item.banner, "items"), item.items_p_value),
        ):
            if p_value is not None:
                p_values[tested] = min(p_value, p_values.get(tested, 1.0))
    return p_values
