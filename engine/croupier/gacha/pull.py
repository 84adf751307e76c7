"""The command `gacha.pull`."""

from typing import NamedTuple

from croupier.betting import RETRY_S, require_open
from croupier.command import Command, Context, Done, receipt
from croupier.errors import CroupierError
from croupier.gacha.pulled import Pull, PullTerms, pity
from croupier.gacha.table import CompiledBanner, CompiledEconomy
from croupier_schemas.economy import RARITIES
from croupier_schemas.gacha import GachaItem, GachaPull, GachaPullReply
from croupier_schemas.records import CURRENCY_GEMS, CURRENCY_TOKENS, DRAW_NEAR_MISS


class PullArguments(NamedTuple):
    """The arguments that `gacha/pull.lua` declares itself."""

    draw_count: int
    currency: int
    cost: int
    daily_limit: int
    day: int
    day_from_ms: int
    day_until_ms: int
    table: bytes
    soft: bytes
    items: bytes


def find_banner(economy: CompiledEconomy, name: str) -> CompiledBanner:
    """The banner of that name. Raises CroupierError BANNER_NOT_FOUND."""
    try:
        return economy.banners[name]
    except KeyError:
        raise CroupierError(
            "BANNER_NOT_FOUND", f"no banner {name!r}; there are {', '.join(economy.banners)}"
        ) from None


def _terms(context: Context, request: GachaPull) -> PullTerms:
    require_open(context, "gacha")
    banner = find_banner(context.economy, request.banner).banner
    if not banner.enabled:
        raise CroupierError(
            "GAME_DISABLED", f"banner {request.banner!r} is switched off", retry_after_s=RETRY_S
        )
    gacha, legacy = context.economy.economy.gacha, False
    if request.use_premium_currency:
        if banner.cost_gems is None:
            raise CroupierError("PREMIUM_NOT_AVAILABLE", f"banner {request.banner!r} has no price in gems")
        cost = banner.cost_gems
    else:
        legacy = context.settings.gacha_legacy_cost
        cost = gacha.legacy_cost if legacy else banner.cost_tokens
    return PullTerms(
        banner=request.banner,
        currency=CURRENCY_GEMS if request.use_premium_currency else CURRENCY_TOKENS,
        cost=cost.one if request.count == 1 else cost.ten,
        legacy_cost=legacy,
        daily_limit=getattr(gacha.daily_limit, context.caller.tier),
    )


def _bind(context: Context, request: GachaPull, terms: PullTerms) -> PullArguments:
    banner, day = context.economy.banners[terms.banner], context.day
    return PullArguments(
        request.count,
        terms.currency,
        terms.cost,
        terms.daily_limit,
        day.number,
        day.from_ms,
        day.until_ms,
        banner.table,
        banner.soft,
        banner.choices,
    )


def _render(economy: CompiledEconomy, terms: PullTerms, done: Done) -> GachaPullReply:
    pull = Pull.of_done(terms, done)
    items = economy.banners[terms.banner].items
    animations = economy.economy.gacha.animations
    drawn = []
    for draw in pull.draws:
        rarity = RARITIES[draw.rarity - 1]
        drawn.append(
            GachaItem(
                rarity,
                items[draw.rarity - 1][draw.item],
                getattr(animations, rarity),
                bool(draw.flags & DRAW_NEAR_MISS),
                RARITIES[draw.downgraded_from - 1] if draw.downgraded_from else None,
            )
        )
    return GachaPullReply(
        items=drawn,
        daily_remaining=pull.daily_remaining,
        cost_used=terms.cost,
        balance=pull.player.tokens,
        gems=pull.player.gems,
        pity=pity(pull.gacha),
        legacy_cost_mode=terms.legacy_cost,
        receipt=receipt(done, pull.player.nonce, pull.player.commitment),
    )


def _daily_limit(context: Context, terms: PullTerms, values: list[int]) -> dict[str, object]:
    return {
        "limit": terms.daily_limit,
        "used": values[0],
        "resets_at": context.day.ends_at,
        "retry_after_s": (context.day.until_ms - context.now_ms) / 1000,
    }


def _insufficient(_context: Context, terms: PullTerms, values: list[int]) -> dict[str, object]:
    currency = "gems" if terms.currency == CURRENCY_GEMS else "tokens"
    return {"balance": values[0], "required": terms.cost, "currency": currency}


PULL = Command(
    name="gacha.pull",
    path="/api/games/gacha/pull",
    summary="Draw one or ten items from a banner",
    request=GachaPull,
    reply=GachaPullReply,
    arguments=PullArguments,
    places=lambda request: {"banner": request.banner},
    terms_type=PullTerms,
    terms=_terms,
    bind=_bind,
    render=_render,
    refusals={"DAILY_GACHA_LIMIT": _daily_limit, "INSUFFICIENT_BALANCE": _insufficient},
    errors=(
        "BANNER_NOT_FOUND", "PREMIUM_NOT_AVAILABLE", "GAME_DISABLED", "MAINTENANCE",
        "PLAYER_BANNED", "PLAYER_EXCLUDED", "RATE_LIMITED", "DAILY_GACHA_LIMIT", "INSUFFICIENT_BALANCE",
    ),
    example=GachaPull(count=1, banner="standard"),
)  # fmt: skip
