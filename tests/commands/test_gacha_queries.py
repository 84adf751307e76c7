"""The queries of gacha and wallet: what they say is what the commands do."""

from collections import Counter
from typing import Any

import pytest

from croupier.economy import version
from croupier.errors import CroupierError
from croupier.gacha.queries import BANNERS, ODDS, STATS, OddsParams
from croupier.wallet import WALLET
from croupier_schemas.economy import Cost, RarityStock
from tests.commands.conftest import OpenWorld
from tests.commands.economies import banner, certain, economy, main
from tests.commands.world import World, at, caller

RATE_UP: dict[str, Any] = {
    "rate_up": "Epic",
    "items": {
        "Legendary": [{"id": "crown"}],
        "Epic": [{"id": "dice"}, {"id": "ace", "featured": True}],
        "Rare": [{"id": "card"}],
        "Common": [{"id": "chip"}],
    },
}


async def test_given_an_economy_when_banners_are_listed_then_each_shows_price_rate_up_and_stock(
    open_world: OpenWorld,
) -> None:
    limited = banner(weights_ppm=certain("Legendary"), stock={"Legendary": 20, "Rare": 3})
    priced = banner(cost_gems={"one": 5, "ten": 45}, enabled=False, **RATE_UP)
    world = await open_world(economy({"limited": limited, "priced": priced}))
    await world.pull(1, 10, banner="limited")

    reply = await world.ask(BANNERS, caller(1))

    assert reply.economy == version(world.economy) and reply.total == 2
    shown = {item.name: item for item in reply.items}
    assert shown["limited"].remaining_stock == RarityStock(Legendary=10, Rare=3)
    assert shown["limited"].enabled and shown["limited"].cost_gems is None
    assert not shown["priced"].enabled
    assert shown["priced"].cost_gems == Cost(one=5, ten=45)
    assert (shown["priced"].rate_up, shown["priced"].featured) == ("Epic", ["ace"])


async def test_given_a_past_version_when_its_odds_are_asked_for_then_they_are_those_of_then(
    open_world: OpenWorld,
) -> None:
    world = await open_world(main(weights_ppm=certain("Epic"), stock={"Epic": 5}))
    past = version(world.economy)
    await world.pull(1)
    await world.push(main())
    await world.pull(1)

    now = await world.ask(ODDS, caller(1), OddsParams(banner="main"))
    then = await world.ask(ODDS, caller(1), OddsParams(banner="main", economy=past))

    assert (now.economy, now.in_force) == (version(world.economy), True)
    assert (then.economy, then.in_force) == (past, False)
    assert [rarity.weight_ppm for rarity in then.odds.rarities] == [0, 1_000_000, 0, 0]
    assert [rarity.weight_ppm for rarity in now.odds.rarities] == [50_000, 150_000, 300_000, 500_000]
    assert then.remaining_stock == RarityStock(Epic=4)


@pytest.mark.parametrize(
    ("params", "code"),
    [
        (OddsParams(banner="nowhere"), "BANNER_NOT_FOUND"),
        (OddsParams(banner="main", economy="0" * 64), "ECONOMY_NOT_FOUND"),
    ],
)
async def test_given_what_never_was_when_its_odds_are_asked_for_then_they_are_not_found(
    world: World, params: OddsParams, code: str
) -> None:
    with pytest.raises(CroupierError) as refused:
        await world.ask(ODDS, caller(1), params)

    assert refused.value.code == code


async def test_given_a_pull_when_stats_are_asked_for_at_once_then_they_show_it(
    open_world: OpenWorld,
) -> None:
    world = await open_world(economy({"main": banner(), "other": banner()}, daily_limit=9))
    counted: dict[str, Counter[str]] = {"main": Counter(), "other": Counter()}
    for name, count in [("main", 1), ("main", 10), ("other", 10)]:
        reply = await world.pull(1, count, banner=name)
        counted[name].update(item.rarity for item in reply.items)
        stats = await world.ask(STATS, caller(1))
        shown = stats.banners[name]
        assert shown.pity == reply.pity
        assert shown.draws == counted[name].total()
        assert all(getattr(shown.rarity_counts, rarity) == n for rarity, n in counted[name].items())
        assert stats.daily_remaining == reply.daily_remaining

    assert stats.draws == 21
    both = counted["main"] + counted["other"]
    assert all(getattr(stats.rarity_counts, rarity) == n for rarity, n in both.items())


async def test_given_a_new_player_when_stats_are_asked_for_then_they_are_empty_and_create_nothing(
    open_world: OpenWorld,
) -> None:
    world = await open_world(main(daily_limit=3))
    before = await world.dump()

    stats = await world.ask(STATS, caller(1))

    assert (stats.draws, stats.daily_remaining, stats.banners["main"].draws) == (0, 3, 0)
    assert await world.dump() == before


async def test_given_pulls_of_yesterday_when_stats_are_asked_for_then_todays_are_all_left(
    open_world: OpenWorld,
) -> None:
    world = await open_world(main(daily_limit=3))
    await world.pull(1)
    assert (await world.ask(STATS, caller(1))).daily_remaining == 2

    world.clock.now_ms = at("2026-03-11T00:00:00+09:00")

    assert (await world.ask(STATS, caller(1))).daily_remaining == 3


async def test_given_a_lower_limit_when_more_was_pulled_already_then_nothing_is_left_rather_than_less(
    open_world: OpenWorld,
) -> None:
    world = await open_world(economy(gacha={"daily_limit": {"STANDARD": 1, "PREMIUM": 5, "VIP": 5}}))
    for _ in range(3):
        await world.pull(1, tier="VIP")

    assert (await world.ask(STATS, caller(1))).daily_remaining == 0


async def test_given_a_wallet_when_asked_for_before_and_after_the_first_command_then_it_is_what_counts(
    open_world: OpenWorld,
) -> None:
    priced = banner(cost_tokens={"one": 30, "ten": 0}, cost_gems={"one": 2, "ten": 0})
    world = await open_world(economy({"main": priced}, initial_tokens=100, initial_gems=5))

    wallets = [await world.ask(WALLET, caller(7))]
    assert await world.player(7) is None
    for gems in (False, True):
        await world.pull(7, gems=gems)
        wallets.append(await world.ask(WALLET, caller(7)))

    assert [(w.user_id, w.tokens, w.gems) for w in wallets] == [(7, 100, 5), (7, 70, 5), (7, 70, 3)]


@pytest.mark.parametrize("query", [BANNERS, ODDS, STATS, WALLET])
async def test_given_a_closed_partition_when_the_economy_is_needed_then_a_query_says_not_ready(
    open_world: OpenWorld, query: Any
) -> None:
    world = await open_world(economy({"standard": banner()}))
    await world.shut()
    world.engine = await world.another_engine()

    with pytest.raises(CroupierError) as refused:
        await world.ask(query, caller(1), query.params())

    assert refused.value.code == "NOT_READY"
