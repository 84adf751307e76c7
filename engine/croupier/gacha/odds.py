"""The odds of a banner as they are disclosed to players."""

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Final

from croupier.economy.banner import drawing_order, items_of, pity_of, stock_of, weight_of
from croupier.gacha.long_run import long_run_rates
from croupier.gacha.pity import draw_weights, effective_weights, soft_pity_end
from croupier.probability import exact
from croupier_schemas.economy import PPM, RARITIES, Banner, Economy, Item, Rarity, RarityWeights, SoftPity
from croupier_schemas.odds import (
    GuaranteeOdds,
    ItemOdds,
    LongRun,
    Odds,
    RarityOdds,
    Rules,
    SoftPityOdds,
    SoftPityRow,
)

__all__ = ["disclose", "effective_weights"]

_LONG_RUN_DIGITS: Final = 6

_RULES: Final = Rules(
    rarity="A roll u gives r = floor(u * 1000000). The draw's rarity is the first in the order Legendary, "
    "Epic, Rare, Common whose cumulative weight exceeds r.",
    item="A second roll u gives r = floor(u * W), W being the sum of the weights of the rarity's items. The "
    "item is the first, in the order listed, whose cumulative weight exceeds r.",
    hard_pity="With hard pity n, after n - 1 draws without the rarity the next draw is that rarity, whatever "
    "the roll. If several are due, it is the highest, and the others stay due. A counter returns to 0 only "
    "when its own rarity is delivered.",
    soft_pity="From draw from_draw since the rarity was last delivered, its weight grows by step_ppm with "
    "every draw, taken from Common, then Rare, then Epic, but only from rarities below it. Legendary is "
    "served first, then Epic, then Rare. Each table holds while the counters of the other rarities are 0.",
    guarantee="After an item of the rate-up rarity that was not featured, the next item of that rarity is a "
    "featured one: r = floor(u * F), F being the sum of the weights of the featured items. This carries over "
    "from pull to pull within the banner.",
    stock="A draw of a rarity whose limited stock is used up delivers Common instead, and says so in "
    "downgraded_from. It does not reset the pity counter of the rarity it replaced.",
    near_miss="A draw that neither hard pity nor stock decided is marked near_miss when its r lies within "
    "near_miss_ppm above the weight of Legendary. This is presentation and changes no outcome.",
    long_run="The share of all draws over a long time, with pity and guarantee, supposing unlimited stock. "
    "Computed from the stationary distribution of the Markov chain of the three pity counters.",
    precision="Rolls are multiples of 2^-52. The stated fractions differ from the probability of the rolls "
    "by less than 10^-14.",
)


def disclose(economy: Economy, banner_name: str) -> Odds:
    """The disclosed table of a banner, which depends on the economy alone.

    Raises:
        KeyError: the economy has no such banner.
    """
    banner = economy.gacha.banners[banner_name]
    rates = long_run_rates(banner)
    return Odds(
        banner=banner_name,
        enabled=banner.enabled,
        rarities=tuple(
            _rarity_odds(banner, rarity, None if rates is None else rates[index])
            for index, rarity in enumerate(RARITIES)
        ),
        guarantee=None if banner.rate_up is None else _guarantee_odds(banner, banner.rate_up),
        near_miss_ppm=banner.near_miss_ppm,
        rules=_RULES,
    )


def _rarity_odds(banner: Banner, rarity: Rarity, rate: float | None) -> RarityOdds:
    rule = pity_of(banner, rarity)
    return RarityOdds(
        rarity=rarity,
        weight_ppm=weight_of(banner, rarity),
        probability=exact(Fraction(weight_of(banner, rarity), PPM)),
        hard_pity=None if rule is None else rule.hard,
        soft_pity=None if rule is None or rule.soft is None else _soft_pity_odds(banner, rarity, rule.soft),
        initial_stock=stock_of(banner, rarity),
        long_run=None if rate is None else _long_run(rate),
        items=tuple(
            _item_odds(banner, rarity, item, rate) for item in drawing_order(items_of(banner, rarity))
        ),
    )


def _item_odds(banner: Banner, rarity: Rarity, item: Item, rate: float | None) -> ItemOdds:
    items = items_of(banner, rarity)
    of_rarity = Fraction(weight_of(banner, rarity), PPM)
    share = Fraction(item.weight, sum(each.weight for each in items))
    guaranteed, long_run_share = None, share
    if rarity == banner.rate_up:
        same_kind = sum(each.weight for each in items if each.featured == item.featured)
        guaranteed = Fraction(item.weight, same_kind) if item.featured else Fraction(0)
        featured = _featured_long_run(items)
        long_run_share = Fraction(item.weight, same_kind) * (featured if item.featured else 1 - featured)
    return ItemOdds(
        id=item.id,
        weight=item.weight,
        featured=item.featured,
        probability=exact(of_rarity * share),
        probability_guaranteed=None if guaranteed is None else exact(of_rarity * guaranteed),
        long_run=None if rate is None else _long_run(rate * float(long_run_share)),
    )


def _soft_pity_odds(banner: Banner, rarity: Rarity, soft: SoftPity) -> SoftPityOdds:
    return SoftPityOdds(
        from_draw=soft.from_draw, step_ppm=soft.step_ppm, table=tuple(_soft_pity_rows(banner, rarity))
    )


def _soft_pity_rows(banner: Banner, rarity: Rarity) -> Iterator[SoftPityRow]:
    """One row per draw, up to the one that hard pity decides or after which nothing changes."""
    index = RARITIES.index(rarity)
    rule, end = pity_of(banner, rarity), soft_pity_end(banner, index)
    if rule is None or rule.soft is None or end is None:
        return
    for draw in range(rule.soft.from_draw, min(end, rule.hard or end) + 1):
        legendary, epic, rare = (draw - 1 if other == index else 0 for other in range(3))
        weights = draw_weights(banner, (legendary, epic, rare))
        yield SoftPityRow(draw=draw, weights_ppm=RarityWeights(**dict(zip(RARITIES, weights, strict=True))))


def _guarantee_odds(banner: Banner, rarity: Rarity) -> GuaranteeOdds:
    items = items_of(banner, rarity)
    return GuaranteeOdds(
        rarity=rarity,
        featured=exact(_featured(items)),
        featured_long_run=exact(_featured_long_run(items)),
    )


def _featured(items: tuple[Item, ...]) -> Fraction:
    return Fraction(sum(item.weight for item in items if item.featured), sum(item.weight for item in items))


def _featured_long_run(items: tuple[Item, ...]) -> Fraction:
    """Share of featured items under the guarantee: one in each run that ends with a featured item.

    Such a run has one item with probability p, that of a featured item, and two otherwise: 2 - p on average.
    """
    return 1 / (2 - _featured(items))


def _long_run(rate: float) -> LongRun:
    return LongRun(percent=_decimal(100 * rate), expected_draws=_decimal(1 / rate) if rate > 0 else None)


def _decimal(value: float) -> str:
    """The value to six significant digits, without an exponent."""
    return f"{Decimal(f'{value:.{_LONG_RUN_DIGITS}g}').normalize():f}"
