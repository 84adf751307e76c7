"""What a client can ask about the slot machine: its disclosed odds."""

from croupier.command import Caller
from croupier.disclosure import VersionParams, economy_asked_for
from croupier.query import Query, Sources
from croupier.slot.odds import disclose
from croupier_schemas.slot import SlotOddsReply


async def _odds(sources: Sources, _caller: Caller, params: VersionParams) -> SlotOddsReply:
    economy, in_force = await economy_asked_for(sources, params)
    return SlotOddsReply(economy=economy.version, in_force=in_force, odds=disclose(economy.economy.slot))


ODDS = Query(
    name="slot.odds",
    path="/api/games/slot/odds",
    summary="The exact table of the slot machine, in force or of a past version",
    params=VersionParams,
    reply=SlotOddsReply,
    answer=_odds,
    errors=("ECONOMY_NOT_FOUND",),
)
