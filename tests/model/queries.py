"""What the model's casino tells players who ask how things stand."""

from tests.model.casino import Ask, Casino, Json
from tests.model.draws import RARITIES, Progress
from tests.model.state import Crash


def wallet(casino: Casino, ask: Ask) -> Json:
    player = casino.player(ask.uid)
    return {"user_id": ask.uid, "tokens": player.tokens, "gems": player.gems}


def fairness(casino: Casino, ask: Ask) -> Json:
    player = casino.player(ask.uid)
    return {
        "commitment": casino.commitment(ask.uid, player),
        "client_seed": player.client_seed,
        "next_nonce": player.nonce + 1,
        "generation": player.generation,
    }


def stats(casino: Casino, ask: Ask) -> Json:
    banners: Json = {}
    for name in casino.economy["gacha"]["banners"]:
        progress = casino.progress.get((ask.uid, name), Progress())
        banners[name] = {
            "rarity_counts": progress.delivered,
            "pity": progress.pity(),
            "draws": sum(progress.delivered.values()),
        }
    player, limit = casino.player(ask.uid), casino.economy["gacha"]["daily_limit"][ask.tier]
    used = player.pulls if player.day >= casino.day(ask.now_ms) else 0
    each = [banner["rarity_counts"] for banner in banners.values()]
    return {
        "rarity_counts": {rarity: sum(counts[rarity] for counts in each) for rarity in RARITIES},
        "draws": sum(banner["draws"] for banner in banners.values()),
        "daily_remaining": max(0, limit - used),
        "banners": banners,
    }


def crash_round(casino: Casino, ask: Ask) -> Json:
    """The player's own open round, and nothing of how it will end."""
    open_ = casino.crash.get(ask.uid, Crash()).open
    if open_ is None:
        return {"available": False, "session": None}
    session = {
        "game_id": open_.game.hex(),
        "bet_amount": open_.bet,
        "auto_cashout": open_.target / 100 if open_.target < open_.cap else None,
        "started_at_ms": open_.started_at_ms,
    }
    return {"available": True, "session": session}
