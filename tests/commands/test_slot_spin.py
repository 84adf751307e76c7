"""`slot.spin`: what comes of the rolls, compared spin by spin with a model in plain Python."""

import asyncio
import math
import random
from typing import Any

import pytest
from msgspec import to_builtins

from croupier.economy import version
from croupier.slot.machine import analyse
from croupier.slot.spun import Spin
from croupier_schemas.economy import BALANCE_MAX, Economy
from tests.commands.bets import assert_round, plain, put_session, session, spin
from tests.commands.conftest import OpenWorld
from tests.commands.economies import economy
from tests.commands.known_rolls import rolls_of
from tests.commands.world import World, encoded
from tests.model import slot as model

UNEVEN: dict[str, Any] = {
    "reels": [list("abca"), list("baa"), list("acbba")],
    "paytable": {
        "a": {"two": 5, "three": 60},
        "b": {"two": 0, "three": 90},
        "c": {"two": 7, "three": 0},
        "never-seen": {"two": 0, "three": 100_000},
    },
}
JACKPOT: dict[str, Any] = {
    "reels": [list("777abcab")] * 3,
    "paytable": {
        "7": {"two": 0, "three": 300},
        "a": {"two": 5, "three": 10},
        "b": {"two": 0, "three": 0},
        "c": {"two": 0, "three": 50},
    },
}


def machine(**settings: Any) -> Economy:
    """An economy with this slot machine, which is the default one where nothing else is said."""
    return economy(slot=settings)


def expected(world: World, uid: int, nonce: int, bet: int) -> model.Spun:
    """What the model says of this player's spin."""
    return model.spin(plain(world.economy)["slot"], bet, rolls_of(uid, nonce, 3))


def first_nonce(world: World, uid: int, percent: int) -> int:
    """The first nonce with which this player is paid so many percent of the bet."""
    return next(nonce for nonce in range(1, 10_000) if expected(world, uid, nonce, 100).payout == percent)


# Outcomes.


@pytest.mark.parametrize("settings", [{}, UNEVEN, JACKPOT], ids=["default", "uneven", "jackpot"])
async def test_given_hundreds_of_spins_when_compared_with_the_model_then_reply_event_and_record_are_equal(
    open_world: OpenWorld, settings: dict[str, Any]
) -> None:
    world = await open_world(machine(**settings))
    bets = random.Random(20260310)
    uid, tokens, lines_paid = 7, 10**12, set()
    await world.put_player(uid, tokens=tokens)

    for nonce in range(1, 301):
        bet = 100 * bets.randint(1, 1_000)
        spun = expected(world, uid, nonce, bet)
        tokens += spun.payout - bet

        reply = await spin(world, uid, bet)

        shown = to_builtins(reply)
        assert shown.pop("receipt")["nonce"] == nonce
        assert shown == {
            "reels": spun.reels, "lines": spun.lines, "payout": spun.payout, "balance": tokens,
        }  # fmt: skip
        assert reply.payout == sum(line.payout for line in reply.lines)
        if nonce % 10 == 1:
            await assert_round(world, uid, reply, result=spun.result, terms=[bet], tokens=tokens)
        lines_paid.add(len(spun.lines))

    assert len(lines_paid) >= 3
    events = await world.events("slot.spun")
    assert [event.result for event in events] == [
        expected(world, uid, nonce, Spin.of_event(event).terms.bet).result
        for nonce, event in enumerate(events, start=1)
    ]
    last = Spin.of_event(events[-1])
    assert (last.stops, last.player.tokens) == (spun.stops, tokens)


async def test_given_a_new_player_when_it_spins_then_it_is_created_with_the_economys_beginnings(
    open_world: OpenWorld,
) -> None:
    world = await open_world(economy(initial_tokens=1_000, initial_gems=7))
    spun = expected(world, 2**53 - 1, 1, 200)

    reply = await spin(world, 2**53 - 1, 200)

    assert reply.balance == 800 + spun.payout
    assert (await world.existing_player(2**53 - 1)).gems == 7
    assert [event.created for event in await world.events("slot.spun")] == [True]


async def test_given_ten_thousand_spins_when_their_payouts_are_averaged_then_the_exact_rtp_is_within_4_sigma(
    open_world: OpenWorld,
) -> None:
    world = await open_world(machine(**UNEVEN))
    players, spins = 50, 10_000
    for uid in range(1, players + 1):
        await world.put_player(uid, tokens=10**9)

    async def play(uid: int) -> int:
        return sum([(await spin(world, uid, 100)).payout for _ in range(spins // players)])

    paid = sum(await asyncio.gather(*(play(uid) for uid in range(1, players + 1))))

    rtp, variance = model.moments(plain(world.economy)["slot"])
    assert rtp == analyse(world.economy.slot).rtp
    assert abs(paid / 100 / spins - rtp) < 4 * math.sqrt(variance / spins)


# Amounts.


async def test_given_the_largest_bet_when_the_best_spin_comes_then_the_payout_is_exact_and_fills_the_balance(
    open_world: OpenWorld,
) -> None:
    """The cap is judged by the largest payout, and this one is it: not one token more would do."""
    bet = 10_000_000_000
    world = await open_world(machine(**JACKPOT, bet_min=100, bet_max=bet))
    most = 15 * bet
    nonce = first_nonce(world, 1, percent=1_500)
    await world.put_player(1, tokens=BALANCE_MAX - most + bet + 1, nonce=nonce - 1)

    error = await world.refused(spin(world, 1, bet))
    assert (error.code, error.fields) == (
        "BALANCE_CAP",
        {"balance": BALANCE_MAX - most + bet + 1, "max": BALANCE_MAX},
    )

    await world.change_player(1, tokens=BALANCE_MAX - most + bet)
    reply = await spin(world, 1, bet)
    assert (reply.payout, reply.balance) == (most, BALANCE_MAX)
    assert [line.payout for line in reply.lines] == 5 * [3 * bet]


async def test_given_an_open_crash_bet_when_its_largest_payout_is_set_aside_then_the_cap_counts_it(
    open_world: OpenWorld,
) -> None:
    world = await open_world(machine(**JACKPOT))
    await world.put_player(1, tokens=BALANCE_MAX - 50_000 - 1_400, payout_max=50_001)

    assert (await world.refused(spin(world, 1, 100))).code == "BALANCE_CAP"

    await world.change_player(1, payout_max=50_000)
    await spin(world, 1, 100)
    assert (await world.existing_player(1)).payout_max == 50_000


# Economies.


async def test_given_another_machine_when_it_is_pushed_then_the_next_spin_uses_it_and_says_so(
    open_world: OpenWorld,
) -> None:
    world = await open_world(machine(**UNEVEN))
    stale = await world.another_engine()
    first = await spin(world, 1, key="first", engine=stale)
    before = version(world.economy)
    await world.push(machine(**JACKPOT))
    spun = expected(world, 1, 2, 100)

    second = await spin(world, 1, engine=stale)

    assert (first.receipt.economy, second.receipt.economy) == (before, version(world.economy))
    assert second.reels == spun.reels
    assert second.payout == spun.payout
    assert encoded(await spin(world, 1, key="first")) == encoded(first)


# Sessions.


async def test_given_an_open_session_when_spun_then_the_round_is_counted_in_it(open_world: OpenWorld) -> None:
    world = await open_world(machine(**UNEVEN))
    await world.put_player(1, sessions=4 + 8)
    name = await put_session(world, 1, "slot", rounds=5, bet=1_000, win=300)

    reply = await spin(world, 1, 200)

    kept = await session(world, name)
    assert (kept.rounds, kept.bet, kept.win) == (6, 1_200, 300 + reply.payout)
    (event,) = await world.events("slot.spun")
    assert [change.key for change in event.changes] == ["{0}:player:1", name]
    assert event.changes[1].value == await world.transport.call("GET", name)


async def test_given_no_open_session_in_this_game_when_spun_then_none_is_counted(world: World) -> None:
    await world.put_player(1, sessions=8)
    name = await put_session(world, 1, "slot")

    await spin(world, 1)

    assert (await session(world, name)).rounds == 0
