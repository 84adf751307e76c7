"""`slot.spin` and `rps.play`: what refuses a bet, idempotency and the fence, which are the same in both games."""

import asyncio
import datetime
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from croupier.betting import RETRY_S
from croupier.rps.play import PLAY
from croupier.slot.spin import SPIN
from croupier_schemas.economy import Economy
from croupier_schemas.records import FLAG_BANNED, PLAYER
from croupier_schemas.rps import RpsPlay
from croupier_schemas.slot import SlotSpin
from tests.commands.bets import plain, play, spin
from tests.commands.conftest import OpenWorld
from tests.commands.economies import economy
from tests.commands.known_rolls import rolls_of
from tests.commands.world import NOON_MS, World, caller, encoded
from tests.model import rps as rps_model
from tests.model import slot as slot_model


@dataclass(frozen=True)
class Game:
    """A game, and how to place a bet in it."""

    name: str
    event: str
    bet: Callable[..., Awaitable[Any]]
    command: Any
    request: Any

    def economy(self, **settings: Any) -> Economy:
        """An economy with these settings of the game; `maintenance` and `rate_limit` belong to the top level."""
        top: dict[str, Any] = {
            name: settings.pop(name) for name in ("maintenance", "rate_limit") if name in settings
        }
        return economy(**top | {self.name: settings})


SLOT = Game("slot", "slot.spun", spin, SPIN, SlotSpin(100))
RPS = Game("rps", "rps.played", play, PLAY, RpsPlay("ROCK", 100))
BETS = {"bet_min": 300, "bet_max": 5_000, "bet_step": 100}


@pytest.fixture(params=[SLOT, RPS], ids=lambda game: game.name)
def game(request: pytest.FixtureRequest) -> Game:
    chosen: Game = request.param
    return chosen


# The bet.


@pytest.mark.parametrize("bet", [1, 99, 100, 299, 301, 350, 4_999, 5_001, 5_100, 999_999_999_999_999])
async def test_given_a_bet_that_is_not_in_the_range_when_placed_then_it_is_refused_with_the_range(
    open_world: OpenWorld, game: Game, bet: int
) -> None:
    world = await open_world(game.economy(**BETS))

    error = await world.refused(game.bet(world, 1, bet))

    assert (error.code, error.fields) == ("BET_OUT_OF_RANGE", {"min": 300, "max": 5_000, "step": 100})


async def test_given_a_spin_for_nothing_when_placed_then_it_is_refused(world: World) -> None:
    error = await world.refused(spin(world, 1, 0))

    assert (error.code, error.fields) == ("BET_OUT_OF_RANGE", {"min": 100, "max": 100_000, "step": 100})


@pytest.mark.parametrize("bet", [300, 400, 4_900, 5_000])
async def test_given_a_bet_in_the_range_when_placed_then_it_is_played(
    open_world: OpenWorld, game: Game, bet: int
) -> None:
    world = await open_world(game.economy(**BETS))

    reply = await game.bet(world, 1, bet)

    assert reply.balance == 100_000 - bet + reply.payout


async def test_given_the_whole_balance_when_bet_then_it_is_played_and_with_one_token_less_refused(
    world: World, game: Game
) -> None:
    await world.put_player(1, tokens=4_999, gems=10**9)
    await world.put_player(2, tokens=5_000)

    error = await world.refused(game.bet(world, 1, 5_000))
    assert error.code == "INSUFFICIENT_BALANCE"
    assert error.fields == {"balance": 4_999, "required": 5_000, "currency": "tokens"}

    reply = await game.bet(world, 2, 5_000)
    assert reply.balance == reply.payout == (await world.existing_player(2)).tokens


async def test_given_a_balance_of_fifteen_digits_when_it_is_refused_then_the_balance_is_exact(
    world: World, game: Game
) -> None:
    await world.put_player(1, tokens=999_999_999_999_999)

    error = await world.refused(game.bet(world, 1, 100))

    assert (error.code, error.fields["balance"]) == ("BALANCE_CAP", 999_999_999_999_999)


async def test_given_a_new_player_when_the_bet_is_more_than_the_beginnings_then_it_is_not_created(
    open_world: OpenWorld, game: Game
) -> None:
    world = await open_world(economy(initial_tokens=99))

    error = await world.refused(game.bet(world, 1, 100))

    assert error.fields == {"balance": 99, "required": 100, "currency": "tokens"}
    assert await world.player(1) is None


# The player.


async def test_given_a_banned_player_when_it_bets_then_it_is_refused_and_others_are_not(
    world: World, game: Game
) -> None:
    await world.put_player(1, flags=FLAG_BANNED)

    assert (await world.refused(game.bet(world, 1))).code == "PLAYER_BANNED"
    await game.bet(world, 2)


@pytest.mark.parametrize(("until_ms", "refused"), [(NOON_MS + 1, True), (NOON_MS, False)])
async def test_given_a_self_exclusion_when_a_bet_is_placed_then_it_holds_up_to_its_end(
    world: World, game: Game, until_ms: int, refused: bool
) -> None:
    await world.put_player(1, excluded_until_ms=until_ms)

    if not refused:
        await game.bet(world, 1)
        return
    error = await world.refused(game.bet(world, 1))
    assert error.code == "PLAYER_EXCLUDED"
    assert error.fields == {"excluded_until": datetime.datetime.fromtimestamp(until_ms / 1000, datetime.UTC)}


async def test_given_several_reasons_when_a_bet_is_placed_then_they_are_checked_in_the_order_of_the_contract(
    open_world: OpenWorld, game: Game
) -> None:
    """Ban, exclusion, rate limit, balance."""
    rate = {"per_second": 1, "per_minute": 1}
    world = await open_world(game.economy(rate_limit={"games": {"STANDARD": rate}}))
    await game.bet(world, 1)
    await world.change_player(1, tokens=0, excluded_until_ms=NOON_MS + 1, flags=FLAG_BANNED)

    assert (await world.refused(game.bet(world, 1))).code == "PLAYER_BANNED"
    await world.change_player(1, flags=0)
    assert (await world.refused(game.bet(world, 1))).code == "PLAYER_EXCLUDED"
    await world.change_player(1, excluded_until_ms=0)
    error = await world.refused(game.bet(world, 1))
    assert (error.code, error.retry_after_s) == ("RATE_LIMITED", 60)
    world.clock.now_ms += 60_000
    assert (await world.refused(game.bet(world, 1))).code == "INSUFFICIENT_BALANCE"


async def test_given_the_limit_of_the_games_when_it_is_reached_by_all_of_them_then_each_is_refused(
    open_world: OpenWorld,
) -> None:
    rate = {"per_second": 3, "per_minute": 3}
    world = await open_world(economy(rate_limit={"mode": "enforce", "games": {"STANDARD": rate}}))
    await world.pull(1)
    await spin(world, 1)
    await play(world, 1)

    for command in (world.pull(1), spin(world, 1), play(world, 1)):
        error = await world.refused(command)
        assert (error.code, error.fields["scope"]) == ("RATE_LIMITED", "games")
    await spin(world, 2)


async def test_given_the_mode_shadow_when_the_limit_is_passed_then_the_bet_is_played_and_marked(
    open_world: OpenWorld, game: Game
) -> None:
    rate = {"per_second": 1, "per_minute": 1}
    world = await open_world(game.economy(rate_limit={"mode": "shadow", "games": {"STANDARD": rate}}))

    outcomes = [await world.engine.execute(game.command, caller(1), game.request) for _ in range(2)]

    assert [outcome.rate_blocked for outcome in outcomes] == [False, True]


# The operator's switches.


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"enabled": False}, "GAME_DISABLED"),
        ({"maintenance": True}, "MAINTENANCE"),
        ({"enabled": False, "maintenance": True}, "MAINTENANCE"),
    ],
)
async def test_given_what_an_operator_switched_off_when_a_bet_is_placed_then_it_is_refused_until_it_is_on_again(
    open_world: OpenWorld, game: Game, settings: dict[str, Any], code: str
) -> None:
    world = await open_world(game.economy())
    first = await game.bet(world, 1, key="first")
    await world.push(game.economy(**settings))

    error = await world.refused(game.bet(world, 1))
    assert (error.code, error.retry_after_s) == (code, RETRY_S)
    assert encoded(await game.bet(world, 1, key="first")) == encoded(first)

    await world.push(game.economy(bet_max=200_000))
    await game.bet(world, 1)


async def test_given_one_game_switched_off_when_the_other_is_played_then_it_is_open(
    open_world: OpenWorld,
) -> None:
    world = await open_world(economy(slot={"enabled": False}))

    await play(world, 1)


# Idempotency.


async def test_given_one_key_when_50_requests_race_then_one_has_an_effect_and_all_replies_are_equal(
    world: World, game: Game
) -> None:
    workers = [await world.another_engine() for _ in range(3)]

    replies = await asyncio.gather(
        *(game.bet(world, 1, 100, key="order-1", engine=workers[i % 3]) for i in range(50))
    )

    assert len({encoded(reply) for reply in replies}) == 1
    assert len(await world.events(game.event)) == 1
    assert (await world.existing_player(1)).tokens == replies[0].balance


async def test_given_a_used_key_when_repeated_after_everything_changed_then_the_first_reply_comes_byte_for_byte(
    world: World, game: Game
) -> None:
    first = await game.bet(world, 1, 100, key="order-1")
    await game.bet(world, 1, 100)
    await world.rotate(1, "other")
    await world.change_player(1, tokens=0, flags=FLAG_BANNED)
    other_symbols = {"reels": [["x"] * 3] * 3, "paytable": {"x": {"three": 20}}}
    await world.push(economy(slot=other_symbols | {"enabled": False}, rps={"win_percent": 100}))
    before = await world.dump()

    replies = [await game.bet(world, 1, 100, key="order-1", tier="VIP") for _ in range(2)]

    assert {encoded(reply) for reply in replies} == {encoded(first)}
    assert await world.dump() == before


async def test_given_a_used_key_when_bet_or_command_differ_then_it_is_refused(
    world: World, game: Game
) -> None:
    await game.bet(world, 1, 100, key="order-1")
    other = play if game is SLOT else spin

    for command in (
        game.bet(world, 1, 200, key="order-1"),
        game.bet(world, 1, 10**9, key="order-1"),
        other(world, 1, 100, key="order-1"),
    ):
        assert (await world.refused(command)).code == "IDEMPOTENCY_KEY_REUSED"


async def test_given_a_used_key_when_the_move_differs_then_it_is_refused(world: World) -> None:
    await play(world, 1, move="ROCK", key="order-1")

    error = await world.refused(play(world, 1, move="PAPER", key="order-1"))

    assert error.code == "IDEMPOTENCY_KEY_REUSED"


async def test_given_a_refused_bet_when_its_cause_is_gone_then_the_same_key_has_an_effect(
    world: World, game: Game
) -> None:
    await world.put_player(1, tokens=99)
    assert (await world.refused(game.bet(world, 1, 100, key="order-1"))).code == "INSUFFICIENT_BALANCE"
    await world.change_player(1, tokens=100)

    assert (await game.bet(world, 1, 100, key="order-1")).receipt.nonce == 1


# The record and the fence.


async def test_given_a_record_without_its_volatile_tail_when_a_bet_is_placed_then_the_rolls_go_on_as_before(
    world: World, game: Game
) -> None:
    """So a record comes back from the mirror: without the pads of the seed, and without the rate log."""
    await world.put_player(1, tokens=1_000, nonce=41)

    reply = await game.bet(world, 1, 100)

    assert reply.receipt.nonce == 42
    if game is SLOT:
        assert reply.reels == slot_model.spin(plain(world.economy)["slot"], 100, rolls_of(1, 42, 3)).reels
    else:
        assert reply.server_move == rps_model.play("ROCK", 100, 194, rolls_of(1, 42, 1)[0]).server_move
    record: Any = await world.transport.call("GET", "{0}:player:1")
    assert len(record) == PLAYER.size + 4 * 8  # with room for 8 calls in the rate log
    assert (await game.bet(world, 1, 100)).receipt.nonce == 43


@pytest.mark.parametrize("bet", [100, 100_000], ids=["played", "refused"])
async def test_given_a_partition_that_closed_when_an_engine_does_not_know_then_not_one_byte_changes(
    world: World, game: Game, bet: int
) -> None:
    await world.put_player(1, tokens=1_000)
    stale = await world.another_engine()
    await game.bet(world, 2, engine=stale)
    await world.shut()

    error = await world.refused(game.bet(world, 1, bet, key="order-1", engine=stale))

    assert error.code == "NOT_READY"
    await world.open(epoch=2)
    reply = await game.bet(world, 1, 100, key="order-1", engine=stale)
    assert reply.receipt.event_id.startswith("0-2-")
    assert reply.receipt.nonce == 10**9 + 1


async def test_given_another_range_when_an_engine_does_not_know_it_then_the_bet_is_judged_by_the_one_in_force(
    open_world: OpenWorld, game: Game
) -> None:
    world = await open_world(game.economy(**BETS))
    stale = await world.another_engine()
    await game.bet(world, 1, 300, engine=stale)
    await world.push(game.economy(**BETS | {"bet_max": 6_000}))
    await game.bet(world, 1, 6_000, engine=stale)  # refused by the old one, allowed by the new one
    await world.push(game.economy(**BETS | {"bet_max": 4_000}))

    error = await world.refused(game.bet(world, 1, 6_000, engine=stale))

    assert error.fields["max"] == 4_000
