"""The wallet: a player's balances, from the live state."""

from croupier.command import Caller
from croupier.partition import PARTITIONS
from croupier.query import NoParams, Query, Sources
from croupier_schemas import keys
from croupier_schemas.records import PLAYER, Player
from croupier_schemas.wallet import WalletReply


async def read_player(sources: Sources, uid: int) -> Player | None:
    """A player's record, or None before the first command."""
    data = await sources.engine.views.read("GET", keys.player(uid % PARTITIONS, uid))
    return PLAYER.unpack(data) if isinstance(data, bytes) else None


async def _wallet(sources: Sources, caller: Caller, _params: NoParams) -> WalletReply:
    player = await read_player(sources, caller.uid)
    if player is None:
        economy = (await sources.engine.views.in_force(0)).economy.economy
        return WalletReply(caller.uid, economy.initial_tokens, economy.initial_gems)
    return WalletReply(caller.uid, player.tokens, player.gems)


WALLET = Query(
    name="wallet",
    path="/api/wallet",
    summary="The caller's balances; before the first command, those it will start with",
    params=NoParams,
    reply=WalletReply,
    answer=_wallet,
)
