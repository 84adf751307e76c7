"""`gacha.pull` in plain Python."""

import datetime
from typing import Any

from tests.model import records
from tests.model.casino import Answer, Ask, Casino, Changes, Json, Refused
from tests.model.commands.sessions import count_round
from tests.model.draws import RARITIES, Draw, Progress, draw
from tests.model.state import Player


def pull(casino: Casino, ask: Ask, request: Json, *, legacy: bool = False) -> Answer:
    """Raises Refused."""
    if first := casino.first_answer(ask, "gacha.pull", request):
        return first
    player = casino.admit(ask, bets=True)
    blocked = casino.limit(ask, player.calls, "games")
    banner, cost, terms = _price(casino, ask, request, legacy)
    pulls = _pulls_today(casino, player, ask, terms[4])
    gems = request["use_premium_currency"]
    balance = player.gems if gems else player.tokens
    if balance < cost:
        currency = "gems" if gems else "tokens"
        raise Refused("INSUFFICIENT_BALANCE", balance=balance, required=cost, currency=currency)

    created = casino.join(ask.uid, player)
    casino.count(ask, player.calls, "games", blocked)
    player.day, player.pulls = max(player.day, casino.day(ask.now_ms)), pulls + 1
    player.tokens, player.gems = player.tokens - cost * (not gems), player.gems - cost * gems
    player.nonce += 1
    name = request["banner"]
    progress = casino.progress.setdefault((ask.uid, name), Progress())
    before = records.gacha(progress)
    draws, changes = _draw(casino, ask.uid, request, banner, progress)
    changes += count_round(casino, ask, "gacha", 0 if gems else cost, 0)
    images = casino.player_image(ask.uid), casino.gacha_image(ask.uid, name)
    casino.record(
        "gacha.pulled", ask, terms, images, result=records.pulled(before, draws), changes=changes, created=created
    )  # fmt: skip
    reply = {
        "items": [_item(casino, each) for each in draws],
        "daily_remaining": terms[4] - player.pulls,
        "cost_used": cost,
        "balance": player.tokens,
        "gems": player.gems,
        "pity": progress.pity(),
        "legacy_cost_mode": terms[3],
        "receipt": casino.receipt(ask.uid),
    }
    casino.keep(ask, "gacha.pull", request, reply)
    return Answer(reply, rate_blocked=blocked)


def _price(casino: Casino, ask: Ask, request: Json, legacy: bool) -> tuple[Json, int, list[Any]]:
    """The banner, the price, and the event's terms."""
    casino.require_open("gacha")
    gacha, gems = casino.economy["gacha"], request["use_premium_currency"]
    banner = gacha["banners"].get(request["banner"])
    if banner is None:
        raise Refused("BANNER_NOT_FOUND")
    if not banner["enabled"]:
        raise Refused("GAME_DISABLED", retry_after_ms=60_000)
    tokens: Json = gacha["legacy_cost"] if legacy else banner["cost_tokens"]
    prices: Json | None = banner["cost_gems"] if gems else tokens
    if prices is None:
        raise Refused("PREMIUM_NOT_AVAILABLE")
    cost = prices["one" if request["count"] == 1 else "ten"]
    limit = gacha["daily_limit"][ask.tier]
    return banner, cost, [request["banner"], int(gems), cost, legacy and not gems, limit]


def _pulls_today(casino: Casino, player: Player, ask: Ask, limit: int) -> int:
    pulls = player.pulls if player.day >= casino.day(ask.now_ms) else 0
    if pulls >= limit:
        midnight = datetime.datetime.combine(
            casino.date(ask.now_ms) + datetime.timedelta(days=1), datetime.time(), casino.zone
        )
        resets_at = round(midnight.timestamp() * 1000)
        raise Refused(
            "DAILY_GACHA_LIMIT",
            limit=limit,
            used=pulls,
            resets_at=resets_at,
            retry_after_ms=resets_at - ask.now_ms,
        )
    return pulls


def _draw(
    casino: Casino, uid: int, request: Json, banner: Json, progress: Progress
) -> tuple[list[Draw], Changes]:
    """The draws of a pull, and the after-images of the pool."""
    name = request["banner"]
    limited = [rarity for rarity in RARITIES[:3] if banner["stock"][rarity] is not None]
    stock = {rarity: casino.pools[name][rarity] for rarity in limited}
    u = casino.rolls(uid, casino.players[uid].nonce, 2 * request["count"])
    draws = [draw(banner, progress, stock, u[2 * j], u[2 * j + 1]) for j in range(request["count"])]
    changed = [rarity for rarity in limited if stock[rarity] != casino.pools[name][rarity]]
    casino.pools.get(name, {}).update(stock)
    return draws, tuple((f"{{0}}:pool:{name}", each, str(stock[each]).encode()) for each in changed)


def _item(casino: Casino, drawn: Draw) -> Json:
    return {
        "rarity": drawn.rarity,
        "item_id": drawn.item_id,
        "animation_type": casino.economy["gacha"]["animations"][drawn.rarity],
        "near_miss": drawn.near_miss,
        "downgraded_from": drawn.downgraded_from,
    }
