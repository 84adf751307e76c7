"""Players of all games, for the tests of what becomes of their rounds in Postgres."""

from dataclasses import dataclass
from random import Random
from typing import Any

import asyncpg
import msgspec

from croupier.command import Caller, Command
from croupier.crash.bet import BET
from croupier.crash.cashout import CASHOUT
from croupier.durability import Durability
from croupier.engine import Engine
from croupier.gacha.pull import PULL
from croupier.op_id import OpIds
from croupier.rps.play import PLAY
from croupier.sessions.end import END
from croupier.sessions.start import START
from croupier.slot.spin import SPIN
from croupier_schemas.crash import CrashBet, CrashCashout
from croupier_schemas.economy import Game
from croupier_schemas.gacha import GachaPull
from croupier_schemas.rps import RpsPlay
from croupier_schemas.session import SessionEnd, SessionStart
from croupier_schemas.slot import SlotSpin
from tests.sync.support import Casino

HOUR_MS = 3_600_000


@dataclass
class Clock:
    """A server clock that stands still until a test moves it."""

    now_ms: int = 1_800_000_000_000

    def __call__(self) -> int:
        return self.now_ms


class Players:
    """Players of a casino whose clock stands still: neither rate limits nor crash rounds depend on the real one."""

    def __init__(self, casino: Casino, pool: asyncpg.Pool) -> None:
        self.clock = Clock()
        durability = Durability(pool, timeout_s=5.0)
        self.engine = Engine(casino.transport, casino.engine.settings, durability, clock_ms=self.clock)
        self._op_ids = OpIds(self.clock)

    async def give(self, command: Command[Any, Any, Any], uid: int, request: msgspec.Struct) -> Any:
        """The reply to a command, of which at most one comes in a second."""
        self.clock.now_ms += 1_001
        asked = Caller(uid, "VIP", "user", self._op_ids.new())
        return (await self.engine.execute(command, asked, request)).reply

    async def crash(self, uid: int, bet: int, auto_cashout: float | None, *, after_ms: int) -> Any:
        """A round, cashed out so long after its bet; the reply says whether it had ended before."""
        opened = await self.give(BET, uid, CrashBet(bet, auto_cashout))
        self.clock.now_ms += after_ms
        return await self.give(CASHOUT, uid, CrashCashout(opened.game_id))

    async def session(self, uid: int, game: Game) -> Any:
        return await self.give(START, uid, SessionStart(game))

    async def end(self, uid: int, session_id: str) -> Any:
        return await self.give(END, uid, SessionEnd(session_id))

    async def play(self, rng: Random, uid: int) -> None:
        """One round of any game."""
        bet = 100 * rng.randint(1, 20)
        match rng.randrange(5):
            case 0:
                await self.give(PULL, uid, GachaPull(rng.choice([1, 10]), "standard"))
            case 1:
                await self.give(PULL, uid, GachaPull(1, "festival", True))
            case 2:
                await self.give(SPIN, uid, SlotSpin(bet))
            case 3:
                await self.give(PLAY, uid, RpsPlay("ROCK", rng.choice([0, bet])))
            case 4:
                await self.crash(uid, bet, rng.choice([None, 1.5]), after_ms=rng.choice([0, HOUR_MS]))
