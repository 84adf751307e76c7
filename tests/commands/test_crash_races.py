"""Cash-out, sweeper and auto cash-out at the same moment: one settlement, always the one that the rules say."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence

import pytest

from croupier.crash.settled import Settlement
from croupier.engine import Engine
from croupier.errors import CroupierError
from croupier_schemas.crash import CrashCashoutReply
from croupier_schemas.records import CRASH
from tests.commands.conftest import OpenWorld
from tests.commands.crash_rounds import (
    CAP,
    GROWTH,
    bet,
    cash_out,
    crash_economy,
    crash_point,
    ms_until,
    player_who_crashes,
    record,
    settle,
    settlements,
)
from tests.commands.world import World
from tests.model import crash as model

OUTCOMES = ("", "cashed", "auto", "crashed")


@pytest.fixture
async def casino(open_world: OpenWorld) -> World:
    return await open_world(crash_economy())


async def try_cash_out(world: World, uid: int, game_id: str, engine: Engine) -> CrashCashoutReply | str:
    try:
        return await cash_out(world, uid, game_id, engine=engine)
    except CroupierError as error:
        return error.code


async def try_settle(world: World, uid: int, game_id: str, engine: Engine) -> bool | str:
    try:
        return await settle(world, uid, game_id, engine=engine)
    except CroupierError as error:
        return error.code


def boundaries(point: int, target: int) -> list[int]:
    """Times of a round, in ms, on both sides of everything that decides it."""
    end_ms = 0 if point == 100 else ms_until(min(target, point + 1))
    return sorted({max(0, end_ms + each) for each in (-5_000, -2, -1, 0, 1, 2, 3_600_000)} | {0, 1})


@pytest.mark.parametrize(
    ("low", "high", "auto"),
    [
        (100, 100, None),
        (100, 100, 1.01),
        (101, 101, 1.01),
        (150, 300, None),
        (150, 199, 2.0),
        (200, 400, 2.0),
    ],
)
async def test_given_cash_outs_and_sweepers_at_once_when_a_round_is_decided_then_it_is_once_and_by_the_rules(
    casino: World, low: int, high: int, auto: float | None
) -> None:
    rng = random.Random(low + high)
    engines = [await casino.another_engine() for _ in range(4)]
    uid, target = 0, round((auto or 1_000) * 100)
    for number in range(18):
        uid = player_who_crashes(low, high, after=uid)
        point = crash_point(uid)
        times = boundaries(point, target)
        game = await bet(casino, uid, 101, auto)
        casino.clock.now_ms += times[number % len(times)]

        tried = [
            try_cash_out(casino, uid, game.game_id, engines[0]),
            try_cash_out(casino, uid, game.game_id, engines[1]),
            try_settle(casino, uid, game.game_id, engines[2]),
            try_settle(casino, uid, game.game_id, engines[3]),
        ]
        rng.shuffle(tried)
        answers = await asyncio.gather(*tried)

        asked = model.Bet(101, target, CAP, GROWTH, game.started_at_ms)
        expected = model.judge(asked, point, casino.clock.now_ms, cashing_out=True)
        await assert_settled_once(casino, uid, game.game_id, expected, answers)


async def assert_settled_once(
    world: World, uid: int, game_id: str, expected: tuple[str, int, int], answers: Sequence[object]
) -> None:
    mine = [event for event in await settlements(world) if event.header.uid == uid]
    assert len(mine) == 1
    crash = await record(world, uid)
    assert (OUTCOMES[crash.settled_outcome], crash.settled_m100, crash.settled_payout) == expected
    assert (await world.existing_player(uid)).tokens == 1_000_000 - 101 + expected[2]
    paid = [answer for answer in answers if isinstance(answer, CrashCashoutReply)]
    for reply in paid:
        assert (reply.game_id, reply.outcome, reply.payout) == (game_id, expected[0], expected[2])
    # Who cashed out is told once; what the server settled is told to everybody who asks.
    assert len(paid) == (1 if expected[0] == "cashed" else 2)
    kinds = Counter(str(answer) for answer in answers if not isinstance(answer, CrashCashoutReply))
    by_event = sum(reply.receipt is not None for reply in paid) + kinds["True"]
    assert by_event == 1


async def test_given_the_two_orders_when_a_round_is_over_then_either_gives_the_same_settlement(
    casino: World,
) -> None:
    first = player_who_crashes(200, 400)
    point = crash_point(first)
    second = player_who_crashes(point, point, after=first)
    for uid, cash_out_first in ((first, True), (second, False)):
        game = await bet(casino, uid, 101, 2.0)
        casino.clock.now_ms = game.started_at_ms + ms_until(200)
        if not cash_out_first:
            assert await settle(casino, uid, game.game_id)
        reply = await cash_out(casino, uid, game.game_id)
        if cash_out_first:
            refused = await casino.refused(settle(casino, uid, game.game_id))
            assert refused.code == "CRASH_NO_ACTIVE_BET"
        assert (reply.outcome, reply.payout, reply.balance) == ("auto", 202, 1_000_101)
        assert (reply.receipt is None) is not cash_out_first
    assert len(await settlements(casino)) == 2


async def test_given_bets_and_ends_of_many_rounds_at_once_when_all_are_done_then_every_token_is_accounted_for(
    casino: World,
) -> None:
    """Five players bet, cash out and are swept in a storm; each round is settled once, each payout is in a balance."""
    engines = [await casino.another_engine() for _ in range(3)]
    rng = random.Random(7)
    games: dict[int, list[str]] = {uid: [] for uid in range(1, 6)}
    refusals: set[str] = set()

    async def step(uid: int) -> None:
        engine = rng.choice(engines)
        try:
            match rng.randrange(4):
                case 0 | 1:
                    reply = await bet(
                        casino, uid, rng.randrange(1, 200), rng.choice([None, 1.01, 1.5]), engine=engine
                    )
                    games[uid].append(reply.game_id)
                case 2 if games[uid]:
                    await cash_out(casino, uid, rng.choice(games[uid]), engine=engine)
                case _ if games[uid]:
                    await settle(casino, uid, games[uid][-1], engine=engine)
        except CroupierError as error:
            refusals.add(error.code)
        casino.clock.now_ms += rng.randrange(0, 900)

    for _ in range(60):
        await asyncio.gather(*(step(uid) for uid in games for _ in range(3)))

    placed, settled = await casino.events("crash.bet_placed"), await settlements(casino)
    assert len(settled) > 50
    assert refusals == {"CRASH_BET_ACTIVE", "CRASH_NO_ACTIVE_BET"}
    for uid, game_ids in games.items():
        ends = Counter(
            event.changes[1].value for event in settled if event.header.uid == uid
        )  # two settlements of one round would leave the same record
        assert max(ends.values()) == 1
        bets = [event for event in placed if event.header.uid == uid]
        assert len(bets) == len(game_ids)
        assert len(bets) - sum(ends.values()) == bool((await casino.existing_player(uid)).payout_max)
        await assert_accounted(casino, uid)


async def assert_accounted(world: World, uid: int) -> None:
    balance = 1_000_000
    for event in await world.events():
        if event.header.uid == uid and event.header.type == "crash.bet_placed":
            balance -= CRASH.unpack(event.changes[1].value or b"").bet
        elif event.header.uid == uid and event.header.type == "crash.settled":
            balance += Settlement.of_event(event).crash.settled_payout
    assert (await world.existing_player(uid)).tokens == balance
