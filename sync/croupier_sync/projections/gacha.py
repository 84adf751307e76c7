"""What `gacha.pulled` means for queries."""

from croupier.gacha.pulled import Pull
from croupier.gacha.table import CompiledEconomy
from croupier_schemas.economy import RARITIES
from croupier_schemas.events import Event
from croupier_schemas.records import CURRENCY_TOKENS, DRAW_NEAR_MISS
from croupier_sync.projections.economy import Economies
from croupier_sync.projections.pools import pool_rows
from croupier_sync.projections.rounds import Round, round_rows
from croupier_sync.rows import DailyRow, Row


def pulled(event: Event, economies: Economies) -> list[Row]:
    pull = Pull.of_event(event)
    in_tokens = pull.terms.currency == CURRENCY_TOKENS
    tokens, gems = (pull.terms.cost, 0) if in_tokens else (0, pull.terms.cost)
    meta = _meta(pull, economies[event.header.economy])
    played = Round("gacha", "pull", tokens, 0, meta, pull.player, gems)
    daily = DailyRow(
        pull.player.day,
        event.header.uid,
        event.header.tier,
        pull.daily_remaining,
        event.id.epoch,
        event.id.seq,
    )
    return [*round_rows(event, played), daily, *pool_rows(event)]


def _meta(pull: Pull, economy: CompiledEconomy) -> dict[str, object]:
    items = economy.banners[pull.terms.banner].items
    return {
        "banner": pull.terms.banner,
        "count": len(pull.draws),
        "cost": pull.terms.cost,
        "currency": "tokens" if pull.terms.currency == CURRENCY_TOKENS else "gems",
        "legacy_cost_mode": pull.terms.legacy_cost,
        "items": [
            {
                "rarity": RARITIES[draw.rarity - 1],
                "item_id": items[draw.rarity - 1][draw.item],
                "near_miss": bool(draw.flags & DRAW_NEAR_MISS),
                "downgraded_from": RARITIES[draw.downgraded_from - 1] if draw.downgraded_from else None,
            }
            for draw in pull.draws
        ],
    }
