"""What a player can see of the own open round."""

from croupier.command import Caller
from croupier.partition import PARTITIONS
from croupier.query import NoParams, Query, Sources
from croupier_schemas import keys
from croupier_schemas.crash import CrashCurrentReply, CrashSession
from croupier_schemas.records import CRASH


async def open_round(sources: Sources, uid: int) -> CrashSession | None:
    """A player's open round, as the player may see it. Raises CroupierError NOT_READY."""
    data = await sources.engine.views.read("GET", keys.crash(uid % PARTITIONS, uid))
    crash = CRASH.unpack(data) if isinstance(data, bytes) else None
    if crash is None or not crash.bet:
        return None
    automatic = crash.target_m100 < crash.cap_m100
    return CrashSession(
        game_id=crash.game.hex(),
        bet_amount=crash.bet,
        auto_cashout=crash.target_m100 / 100 if automatic else None,
        started_at_ms=crash.started_at_ms,
    )


async def _current(sources: Sources, caller: Caller, _params: NoParams) -> CrashCurrentReply:
    session = await open_round(sources, caller.uid)
    return CrashCurrentReply(available=session is not None, session=session)


CURRENT = Query(
    name="crash.debug.current",
    path="/api/games/crash/debug/current",
    summary="The caller's open crash round",
    params=NoParams,
    reply=CrashCurrentReply,
    answer=_current,
)
