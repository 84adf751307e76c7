"""The verifier of receipts: it verifies what the engine made of the rolls of all games."""

import asyncio
import math
import random
from typing import Literal

import msgspec
import pytest
from msgspec.structs import replace

from croupier.engine import Engine
from croupier.fairness.queries import RECEIPT, ReceiptParams
from croupier.fairness.verify import remarks, verify_receipt
from croupier_schemas.economy import RARITIES
from croupier_schemas.fairness import (
    CrashBetReceipt,
    CrashSettledReceipt,
    GachaReceipt,
    ReceiptReply,
    RpsReceipt,
    SlotReceipt,
)
from croupier_schemas.rps import Move
from tests.commands import bets
from tests.commands.casino_economies import ECONOMIES
from tests.commands.crash_rounds import bet, cash_out, settle
from tests.commands.economies import banner, economy
from tests.commands.known_rolls import rolls_of
from tests.commands.world import SETTINGS, World, caller
from tests.model import rps

RICH = economy(
    {
        **{name: msgspec.to_builtins(each) for name, each in ECONOMIES[0].gacha.banners.items()},
        "plain": banner(near_miss_ppm=70_000),
    },
    initial_tokens=10**9,
    initial_gems=10**9,
)
ROUNDS = 120


class Player:
    """Plays everything at random."""

    def __init__(self, world: World, forced: Engine, uid: int) -> None:
        self.world, self.forced, self.uid = world, forced, uid
        self.chance = random.Random(uid)

    async def play(self) -> None:
        games = (self.pull, self.spin, self.rock_paper_scissors, self.crash)
        for _ in range(ROUNDS):
            await self.chance.choice(games)()
            if self.chance.random() < 0.1:
                await self.world.rotate(self.uid, self.chance.choice([None, "a", "Z-9_"]))
        await self.world.rotate(self.uid)

    async def pull(self) -> None:
        name = self.chance.choice(["soft", "limited", "plain"])
        await self.world.pull(self.uid, self.chance.choice([1, 10]), banner=name)

    async def spin(self) -> None:
        await bets.spin(self.world, self.uid, 100 * self.chance.randint(1, 1_000))

    async def rock_paper_scissors(self) -> None:
        moves: list[Move] = ["ROCK", "PAPER", "SCISSORS"]
        move, amount = self.chance.choice(moves), self.chance.choice([0, 1, 777, 100_000])
        engine = self.forced if self.chance.random() < 0.2 else None
        await bets.play(self.world, self.uid, amount, move=move, engine=engine)

    async def crash(self) -> None:
        """A round, with other games between bet and settlement, whose nonces come after that of the bet."""
        auto = self.chance.choice([None, 1.01, 1.5, 4.0, 1000.0])
        game_id = (await bet(self.world, self.uid, self.chance.randint(10, 999_999), auto)).game_id
        await bets.play(self.world, self.uid)
        while True:
            self.world.clock.now_ms += self.chance.choice([0, 1, 1_000, 7_000, 120_000])
            if self.chance.random() < 0.5:
                await cash_out(self.world, self.uid, game_id)
                return
            if await settle(self.world, self.uid, game_id):
                return


async def run_of_receipts(redis_url: str) -> list[ReceiptReply]:
    """Several players play everything, rotate, and at last ask for all their receipts."""
    world = await World.of(redis_url, RICH)
    try:
        forced = await world.another_engine(replace(SETTINGS, rps_deterministic="win"))
        await asyncio.gather(*(Player(world, forced, uid).play() for uid in range(1, 6)))
        found: list[ReceiptReply] = []
        for event in await world.events():
            if event.header.uid and event.header.type != "fairness.rotated":
                params = ReceiptParams(str(event.id))
                found.append(await world.ask(RECEIPT, caller(event.header.uid), params))
        return found
    finally:
        await world.close()


async def test_given_a_long_random_run_when_each_receipt_is_recomputed_then_all_are_verified(
    redis_url: str,
) -> None:
    found = await run_of_receipts(redis_url)

    assert {receipt.event_id: verify_receipt(receipt) for receipt in found} == {
        receipt.event_id: [] for receipt in found
    }
    # The run went through everything that the verifier has to know.
    drawn = [draw for receipt in found if isinstance(receipt, GachaReceipt) for draw in receipt.draws]
    assert {draw.rarity for draw in drawn} == set(RARITIES)
    for name in ("near_miss", "hard_pity", "guaranteed", "downgraded_from", "stock_seen"):
        assert any(getattr(draw, name) for draw in drawn), name
    lines = [line for receipt in found if isinstance(receipt, SlotReceipt) for line in receipt.lines]
    assert {line.line for line in lines} == {0, 1, 2, 3, 4} and {line.count for line in lines} == {2, 3}
    games = [receipt for receipt in found if isinstance(receipt, RpsReceipt)]
    for forced in (False, True):
        outcomes = {each.outcome for each in games if each.deterministic is forced}
        assert outcomes == ({"WIN"} if forced else {"WIN", "LOSE", "DRAW"})
    rounds = [receipt for receipt in found if isinstance(receipt, CrashSettledReceipt)]
    assert {each.outcome for each in rounds} == {"cashed", "auto", "crashed"}
    opened = {receipt.game_id: receipt for receipt in found if isinstance(receipt, CrashBetReceipt)}
    for each in rounds:
        assert (each.nonce, each.bet, each.target_m100) == (
            opened[each.game_id].nonce, opened[each.game_id].bet, opened[each.game_id].target_m100,
        )  # fmt: skip


@pytest.mark.parametrize("outcome", ["win", "draw", "lose"])
async def test_given_a_forced_game_when_verified_then_a_remark_says_so_and_gives_the_move_of_the_roll(
    redis_url: str, outcome: Literal["win", "draw", "lose"]
) -> None:
    world = await World.of(redis_url, RICH, settings=replace(SETTINGS, rps_deterministic=outcome))
    try:
        event_id = (await bets.play(world, 1)).receipt.event_id
        live = await world.ask(RECEIPT, caller(1), ReceiptParams(event_id))
        await world.rotate(1)
        revealed = await world.ask(RECEIPT, caller(1), ReceiptParams(event_id))
    finally:
        await world.close()

    (u,) = rolls_of(1, 1, 1)
    assert revealed.outcome == outcome.upper()
    assert verify_receipt(revealed) == []
    forced = "the outcome was forced by a setting for tests, and is not random"
    assert remarks(revealed) == [forced, f"by its roll the server's move is {rps.MOVES[math.floor(3 * u)]}"]
    assert remarks(live) == [forced]
    assert remarks(replace(revealed, deterministic=False)) == []
