"""`gacha.pull` and what refuses it: price, balance, banner, ban, exclusion, deadline."""

import datetime
from typing import Any

import pytest

from croupier.gacha.queries import BANNERS
from croupier.settings import Settings
from croupier_schemas.economy import BALANCE_MAX
from croupier_schemas.records import FLAG_BANNED
from tests.commands.conftest import OpenWorld
from tests.commands.economies import banner, economy, main
from tests.commands.world import NOON_MS, SETTINGS, World, caller

LEGACY = Settings(master_keys=SETTINGS.master_keys, gacha_legacy_cost=True)
PRICES: dict[str, Any] = {
    "cost_tokens": {"one": 5_000, "ten": 50_000},
    "cost_gems": {"one": 3, "ten": 28},
}


@pytest.mark.parametrize(
    ("count", "gems", "legacy", "cost"),
    [
        (1, False, False, 5_000),
        (10, False, False, 50_000),
        (1, False, True, 50),
        (10, False, True, 450),
        (1, True, False, 3),
        (10, True, False, 28),
        (1, True, True, 3),
        (10, True, True, 28),
    ],
)
async def test_given_exactly_the_price_when_pulled_then_it_is_charged_and_one_less_is_refused(
    open_world: OpenWorld, count: int, gems: bool, legacy: bool, cost: int
) -> None:
    world = await open_world(main(**PRICES), settings=LEGACY if legacy else SETTINGS)
    paid, other = ("gems", "tokens") if gems else ("tokens", "gems")
    await world.put_player(1, **{paid: cost - 1, other: 10**9})
    await world.put_player(2, **{paid: cost, other: 777})

    error = await world.refused(world.pull(1, count, gems=gems))
    assert error.code == "INSUFFICIENT_BALANCE"
    assert error.fields == {"balance": cost - 1, "required": cost, "currency": paid}

    reply = await world.pull(2, count, gems=gems)
    assert reply.cost_used == cost
    assert (reply.gems, reply.balance) == ((0, 777) if gems else (777, 0))
    assert reply.legacy_cost_mode is (legacy and not gems)
    player = await world.existing_player(2)
    assert (player.tokens, player.gems) == (reply.balance, reply.gems)
    (shown,) = (await world.ask(BANNERS, caller(2))).items
    price = shown.cost_gems if gems else shown.cost_tokens
    assert price is not None
    assert (price.one if count == 1 else price.ten) == cost


async def test_given_the_largest_balance_and_price_when_pulled_then_the_sums_are_exact(
    open_world: OpenWorld,
) -> None:
    world = await open_world(main(cost_tokens={"one": 1, "ten": BALANCE_MAX}))
    await world.put_player(1, tokens=BALANCE_MAX)
    await world.put_player(2, tokens=BALANCE_MAX - 1)

    assert (await world.pull(1)).balance == BALANCE_MAX - 1
    error = await world.refused(world.pull(2, 10))
    assert error.fields == {"balance": BALANCE_MAX - 1, "required": BALANCE_MAX, "currency": "tokens"}


async def test_given_a_new_player_when_the_price_is_too_high_then_it_is_judged_by_the_initial_balance(
    open_world: OpenWorld,
) -> None:
    world = await open_world(economy({"main": banner(**PRICES)}, initial_tokens=4_999))

    error = await world.refused(world.pull(1))

    assert error.fields == {"balance": 4_999, "required": 5_000, "currency": "tokens"}
    assert await world.player(1) is None


async def test_given_a_banner_without_a_price_in_gems_when_pulled_for_gems_then_it_is_refused(
    world: World,
) -> None:
    error = await world.refused(world.pull(1, gems=True))

    assert error.code == "PREMIUM_NOT_AVAILABLE"


async def test_given_no_such_banner_when_pulled_then_it_is_not_found(world: World) -> None:
    error = await world.refused(world.pull(1, banner="nowhere"))

    assert error.code == "BANNER_NOT_FOUND"


async def test_given_a_disabled_banner_when_pulled_then_it_is_refused_with_a_time_to_retry(
    open_world: OpenWorld,
) -> None:
    world = await open_world(economy({"main": banner(enabled=False), "other": banner()}))

    error = await world.refused(world.pull(1))

    assert error.code == "GAME_DISABLED" and error.retry_after_s
    await world.pull(1, banner="other")


async def test_given_a_banned_player_when_it_pulls_then_it_is_refused_and_others_are_not(
    world: World,
) -> None:
    await world.put_player(1, flags=FLAG_BANNED)

    assert (await world.refused(world.pull(1))).code == "PLAYER_BANNED"
    await world.pull(2)


async def test_given_a_ban_during_play_when_the_next_command_comes_then_it_acts_at_once(world: World) -> None:
    await world.pull(1)
    await world.change_player(1, flags=FLAG_BANNED)

    assert (await world.refused(world.pull(1))).code == "PLAYER_BANNED"
    assert (await world.refused(world.rotate(1))).code == "PLAYER_BANNED"


@pytest.mark.parametrize(
    ("until_ms", "refused"), [(NOON_MS + 1, True), (NOON_MS, False), (NOON_MS - 1, False), (0, False)]
)
async def test_given_a_self_exclusion_when_pulled_then_it_holds_up_to_its_end(
    world: World, until_ms: int, refused: bool
) -> None:
    await world.put_player(1, excluded_until_ms=until_ms)

    if not refused:
        await world.pull(1)
        return
    error = await world.refused(world.pull(1))
    assert error.code == "PLAYER_EXCLUDED"
    assert error.fields == {"excluded_until": datetime.datetime.fromtimestamp(until_ms / 1000, datetime.UTC)}


async def test_given_an_excluded_player_when_it_rotates_then_it_may(world: World) -> None:
    await world.put_player(1, excluded_until_ms=NOON_MS + 10**9)

    await world.rotate(1)


async def test_given_several_reasons_when_pulled_then_they_are_checked_in_the_order_of_the_contract(
    open_world: OpenWorld,
) -> None:
    """Ban, exclusion, daily limit, balance."""
    world = await open_world(main(daily_limit=1, **PRICES))
    await world.pull(1)
    broke = {"tokens": 0}
    excluded = {**broke, "excluded_until_ms": NOON_MS + 1}

    await world.change_player(1, **excluded, flags=FLAG_BANNED)
    assert (await world.refused(world.pull(1))).code == "PLAYER_BANNED"
    await world.change_player(1, **excluded, flags=0)
    assert (await world.refused(world.pull(1))).code == "PLAYER_EXCLUDED"
    await world.change_player(1, **broke, excluded_until_ms=0)
    assert (await world.refused(world.pull(1))).code == "DAILY_GACHA_LIMIT"
    await world.change_player(1, **broke, pulls=0)
    assert (await world.refused(world.pull(1))).code == "INSUFFICIENT_BALANCE"


class Late:
    """A server clock that jumps between the engine's look at it and the script's run."""

    def __init__(self, by_ms: int) -> None:
        self.by_ms = by_ms
        self.readings = 0

    def __call__(self) -> int:
        self.readings += 1
        return NOON_MS + (self.by_ms if self.readings % 2 == 0 else 0)


@pytest.mark.parametrize("key", ["", "order-1"])
async def test_given_a_deadline_when_the_script_runs_before_or_after_it_then_only_the_latter_is_expired(
    world: World, key: str
) -> None:
    await world.pull(1)
    timeout_ms = round(1000 * SETTINGS.command_timeout_seconds)
    in_time = await world.another_engine(clock_ms=Late(timeout_ms // 2))
    late = await world.another_engine(clock_ms=Late(timeout_ms + 1))

    await world.pull(1, engine=in_time)
    error = await world.refused(world.pull(1, key=key, engine=late))
    assert error.code == "EXPIRED" and error.retry_after_s
