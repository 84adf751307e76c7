"""How many players come back, by the day on which they came first."""

import asyncio
import datetime
from typing import Any, Final

from croupier.analytics.asking import Period, as_of, ask
from croupier.command import Caller
from croupier.day import EPOCH_ORDINAL
from croupier.query import Query, Sources
from croupier_schemas.analytics import Cohort, RetentionQuery, RetentionReply, Returned

DAYS_AFTER: Final = (1, 7, 30)

# The table has whole days in UTC. Two days of the zone at most have a part in one of them, and then the first and the
# last time of the player are on different ones; so these two say all the days of the zone on which the player came.
_RETENTION: Final = """
SELECT first_day, count() AS players,
    countIf(has(days, first_day + 1)) AS d1, countIf(has(days, first_day + 7)) AS d7,
    countIf(has(days, first_day + 30)) AS d30
FROM (
    SELECT groupUniqArrayArray([toDate(first_at, {zone:String}), toDate(last_at, {zone:String})]) AS days,
        arrayMin(days) AS first_day
    FROM players_daily FINAL
    GROUP BY player_id
)
WHERE first_day >= toDate({first_day:Int32}) AND first_day <= toDate({today:Int32})
GROUP BY first_day
ORDER BY first_day
"""


async def retention(sources: Sources, _caller: Caller, params: RetentionQuery) -> RetentionReply:
    """The cohorts of the last days. Raises CroupierError NOT_READY."""
    today = Period.of(sources, params.days).today
    newest, rows = await asyncio.gather(
        as_of(sources),
        ask(
            sources,
            _RETENTION,
            zone=sources.engine.settings.day_zone,
            first_day=today - params.days + 1,
            today=today,
        ),
    )
    cohorts = [_cohort(row, today) for row in rows]
    return RetentionReply(len(cohorts), cohorts, newest)


def _cohort(row: dict[str, Any], today: int) -> Cohort:
    first: datetime.date = row["first_day"]
    number, players = first.toordinal() - EPOCH_ORDINAL, row["players"]
    d1, d7, d30 = (
        Returned(row[f"d{after}"], row[f"d{after}"] / players) if number + after < today else None
        for after in DAYS_AFTER
    )
    return Cohort(first, players, d1, d7, d30)


RETENTION: Final = Query(
    name="analytics.retention",
    path="/api/analytics/retention",
    summary="How many players come back 1, 7 and 30 days after their first event",
    params=RetentionQuery,
    reply=RetentionReply,
    answer=retention,
    access="admin",
)
