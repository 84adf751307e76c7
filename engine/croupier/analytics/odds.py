"""Draws as they came out, against the odds that are disclosed: by banner and version of the economy."""

import asyncio
from typing import Any, Final

from croupier.analytics.asking import Period, as_of, ask
from croupier.chi_square import Tally, together
from croupier.clickhouse import QUERY_TIMEOUT_S
from croupier.command import Caller
from croupier.economy.banner import drawing_order, items_of, pity_of, weight_of
from croupier.errors import CroupierError
from croupier.fairness.queries import economy_of_event
from croupier.gacha.pity import draw_weights, soft_pity_end
from croupier.query import Query, Sources
from croupier_schemas.analytics import DrawnItem, DrawnOdds, DrawnRarity, OddsQuery, OddsReply
from croupier_schemas.economy import RARITIES, Banner, Rarity

GROUPS_MAX: Final = 100
"""Banners and versions of the economy in one answer; of more, those drawn from last."""

_PULLS: Final = """
    event_type = 'gacha.pulled' AND created_at >= fromUnixTimestamp64Milli({since_ms:Int64})
"""

_GROUPS: Final = f"""
SELECT banner, economy, count() AS pulls, min(created_at) AS first_at, max(created_at) AS last_at
FROM game_events FINAL
WHERE {_PULLS} AND ({{banner:String}} = '' OR banner = {{banner:String}})
GROUP BY banner, economy
ORDER BY last_at DESC, banner, economy
LIMIT {GROUPS_MAX}
"""

# A row has the pity counters that the pull found. Draw j of it finds a counter that has grown by j - 1, or that began
# anew after the last draw before it which delivered the rarity. Counters between which the table makes no difference
# are the same here: below `from_` all count as 0, and beyond `to_` as that.
_FOUND: Final = """
    arrayLastIndex((delivered, place) -> delivered = '{rarity}' AND place < draw, rarities, arrayEnumerate(rarities))
        AS last_{name},
    if(last_{name} = 0, pity_{name} + draw - 1, draw - 1 - last_{name}) AS found_{name},
    if(found_{name} < {{from_{name}:UInt32}}, 0, least(found_{name}, {{to_{name}:UInt32}})) AS {name}
"""

_DRAWS: Final = f"""
SELECT legendary, epic, rare, drawn, count() AS draws
FROM (
    SELECT arrayJoin(arrayEnumerate(rarities)) AS draw,
        if(downgraded_from[draw] = '', rarities[draw], downgraded_from[draw]) AS drawn,
        {",".join(_FOUND.format(rarity=rarity, name=rarity.lower()) for rarity in RARITIES[:3])}
    FROM game_events FINAL
    WHERE {_PULLS} AND banner = {{banner:String}} AND economy = {{economy:String}}
)
GROUP BY legendary, epic, rare, drawn
"""

_ITEMS: Final = f"""
SELECT rarity, item, guarantee, count() AS draws
FROM game_events FINAL
ARRAY JOIN rarities AS rarity, items AS item, guaranteed AS guarantee
WHERE {_PULLS} AND banner = {{banner:String}} AND economy = {{economy:String}}
GROUP BY rarity, item, guarantee
"""

_NEVER: Final = 2**32 - 1


async def odds(sources: Sources, _caller: Caller, params: OddsQuery) -> OddsReply:
    """The draws of the last days. Raises CroupierError NOT_READY, also where it all takes more than 10 s."""
    period = Period.of(sources, params.days)
    in_force = (await sources.engine.views.in_force(0)).economy.version
    try:
        async with asyncio.timeout(QUERY_TIMEOUT_S):
            newest, groups = await asyncio.gather(
                as_of(sources), ask(sources, _GROUPS, since_ms=period.since_ms, banner=params.banner or "")
            )
            items = [await _compared(sources, group, period.since_ms, in_force) for group in groups]
    except TimeoutError as error:
        raise CroupierError("NOT_READY", "This takes too long: ask for fewer days, or one banner.") from error
    return OddsReply(period.since, len(items), items, newest)


async def _compared(sources: Sources, group: dict[str, Any], since_ms: int, in_force: str) -> DrawnOdds:
    """One banner under one version of the economy."""
    economy = await economy_of_event(sources, group["economy"])
    banner = economy.banners[group["banner"]].banner
    place = {"since_ms": since_ms, "banner": group["banner"], "economy": group["economy"]}
    draws, delivered = await asyncio.gather(
        ask(sources, _DRAWS, **place, **_bounds(banner)), ask(sources, _ITEMS, **place)
    )
    rarities = Tally(RARITIES)
    for row in draws:
        weights = draw_weights(banner, (row["legendary"], row["epic"], row["rare"]))
        rarities.add(weights, RARITIES.index(row["drawn"]), row["draws"])
    items = _items(banner, delivered)
    test, of_items = rarities.compared(), together([tally.compared() for tally in items.values()])
    return DrawnOdds(
        banner=group["banner"],
        economy=group["economy"],
        in_force=group["economy"] == in_force,
        pulls=group["pulls"],
        draws=rarities.draws,
        first_at=group["first_at"],
        last_at=group["last_at"],
        rarities=_rarities(banner, rarities, items),
        chi_square=test.chi_square,
        degrees_of_freedom=test.degrees_of_freedom,
        p_value=test.p_value,
        items_chi_square=of_items.chi_square,
        items_degrees_of_freedom=of_items.degrees_of_freedom,
        items_p_value=of_items.p_value,
    )


def _bounds(banner: Banner) -> dict[str, int]:
    """From which counter on a rarity's pity changes the table, and from which on no more."""
    bounds = {}
    for index, rarity in enumerate(RARITIES[:3]):
        rule, end = pity_of(banner, rarity), soft_pity_end(banner, index)
        hard = rule.hard if rule is not None and rule.hard is not None else None
        soft = rule.soft.from_draw if rule is not None and rule.soft is not None else None
        starts = [draw - 1 for draw in (hard, soft) if draw is not None]
        ends = [draw - 1 for draw in (hard, end) if draw is not None]
        bounds[f"from_{rarity.lower()}"] = min(starts, default=_NEVER)
        bounds[f"to_{rarity.lower()}"] = max(ends, default=0)
    return bounds


def _items(banner: Banner, delivered: list[dict[str, Any]]) -> dict[Rarity, Tally]:
    """Counts of the items, rarity by rarity; while a guarantee is due, only featured ones can come."""
    counted = {}
    for rarity in RARITIES:
        ordered = drawing_order(items_of(banner, rarity))
        tally = Tally([item.id for item in ordered])
        weights = tuple(item.weight for item in ordered)
        featured = tuple(item.weight if item.featured else 0 for item in ordered)
        for row in delivered:
            if row["rarity"] == rarity:
                item = tally.outcomes.index(row["item"])
                tally.add(featured if row["guarantee"] else weights, item, row["draws"])
        if ordered:
            counted[rarity] = tally
    return counted


def _rarities(banner: Banner, drawn: Tally, items: dict[Rarity, Tally]) -> list[DrawnRarity]:
    counts, expected, covariance = drawn.counts, drawn.expected, drawn.covariance
    rarities = []
    for index, rarity in enumerate(RARITIES):
        of_items: list[DrawnItem] = []
        if rarity in items:
            tally = items[rarity]
            each_item = zip(tally.outcomes, tally.counts, tally.expected, strict=True)
            of_items = [DrawnItem(*each) for each in each_item]
        deviation = max(0.0, covariance[index][index]) ** 0.5
        weight = weight_of(banner, rarity)
        rarities.append(DrawnRarity(rarity, weight, counts[index], expected[index], deviation, of_items))
    return rarities


ODDS: Final = Query(
    name="analytics.odds",
    path="/api/analytics/odds",
    summary="Observed against disclosed odds by banner and version of the economy, over the last days",
    params=OddsQuery,
    reply=OddsReply,
    answer=odds,
    access="admin",
)
