"""What a client can ask about rock, paper, scissors: its disclosed odds."""

from croupier.command import Caller
from croupier.disclosure import VersionParams, economy_asked_for
from croupier.query import Query, Sources
from croupier.rps.odds import disclose
from croupier_schemas.rps import RpsOddsReply


async def _odds(sources: Sources, _caller: Caller, params: VersionParams) -> RpsOddsReply:
    economy, in_force = await economy_asked_for(sources, params)
    return RpsOddsReply(economy=economy.version, in_force=in_force, odds=disclose(economy.economy.rps))


ODDS = Query(
    name="rps.odds",
    path="/api/games/rps/odds",
    summary="The exact odds of rock, paper, scissors, in force or of a past version",
    params=VersionParams,
    reply=RpsOddsReply,
    answer=_odds,
    errors=("ECONOMY_NOT_FOUND",),
)
