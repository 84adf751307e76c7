"""What a client can ask about the crash game: its disclosed odds."""

from croupier.command import Caller
from croupier.crash.odds import disclose
from croupier.disclosure import VersionParams, economy_asked_for
from croupier.query import Query, Sources
from croupier_schemas.crash import CrashOddsReply


async def _odds(sources: Sources, _caller: Caller, params: VersionParams) -> CrashOddsReply:
    economy, in_force = await economy_asked_for(sources, params)
    return CrashOddsReply(economy=economy.version, in_force=in_force, odds=disclose(economy.economy.crash))


ODDS = Query(
    name="crash.odds",
    path="/api/games/crash/odds",
    summary="The exact odds of the crash game, in force or of a past version",
    params=VersionParams,
    reply=CrashOddsReply,
    answer=_odds,
    errors=("ECONOMY_NOT_FOUND",),
)
