"""What is played, hour by hour."""

from typing import Final

from croupier.analytics.asking import Period, ask
from croupier.query import Sources
from croupier_schemas.analytics import Hour

# The house keeps what is staked and not paid. Pulls paid in gems stake no tokens.
_ACTIVITY: Final = """
SELECT toStartOfHour(created_at, {zone:String}) AS hour, uniqExactIf(player_id, tier != '') AS players,
    countIf(event_type = 'gacha.pulled') AS pulls, sum(draws) AS drawn,
    sumIf(staked, currency = 'tokens') AS staked, sumIf(paid, currency = 'tokens') AS paid
FROM (SELECT * FROM game_events FINAL WHERE created_at >= fromUnixTimestamp64Milli({since_ms:Int64}) AND game != '')
GROUP BY hour
ORDER BY hour
"""


async def activity(sources: Sources, days: int) -> list[Hour]:
    """The hours of the last days in which something was played, oldest first. Raises CroupierError NOT_READY."""
    since_ms = Period.of(sources, days).since_ms
    rows = await ask(sources, _ACTIVITY, since_ms=since_ms, zone=sources.engine.settings.day_zone)
    return [
        Hour(row["hour"], row["players"], row["pulls"], row["drawn"], row["staked"], row["paid"])
        for row in rows
    ]
