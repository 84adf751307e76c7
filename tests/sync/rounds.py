"""Players of all games by the real clock, each request with an idempotency key, and what they were answered."""

import itertools
import time
from dataclasses import dataclass, field
from random import Random
from typing import Any

import msgspec

from croupier.command import Caller, Command
from croupier.crash.bet import BET
from croupier.crash.cashout import CASHOUT
from croupier.engine import Engine
from croupier.errors import CroupierError
from croupier.fairness.rotate import ROTATE
from croupier.gacha.pull import PULL
from croupier.op_id import OpIds
from croupier.rewards.distribute import DISTRIBUTE
from croupier.rps.play import PLAY
from croupier.sessions.end import END
from croupier.sessions.start import START
from croupier.slot.spin import SPIN
from croupier_schemas.crash import CrashBet, CrashCashout
from croupier_schemas.events import EventId
from croupier_schemas.fairness import FairnessRotate
from croupier_schemas.gacha import GachaPull
from croupier_schemas.rewards import RewardsDistribute
from croupier_schemas.rps import RpsPlay
from croupier_schemas.session import SessionEnd, SessionStart
from croupier_schemas.slot import SlotSpin

ADMIN = 900
_KEYS = itertools.count()
_NOT_NOW = {
    "CRASH_BET_ACTIVE", "CRASH_NO_ACTIVE_BET", "SESSION_NOT_FOUND", "PLAYER_NOT_FOUND", "DURABILITY_TIMEOUT",
}  # fmt: skip
"""What may become of a round after a heal, or where no daemon is at work."""


@dataclass(frozen=True)
class Answered:
    """A request with its idempotency key, the reply, and the event behind it (None: nothing had to be done)."""

    command: Command[Any, Any, Any]
    uid: int
    key: str
    request: msgspec.Struct
    reply: Any

    @property
    def event(self) -> EventId | None:
        receipt = self.reply.receipt
        return EventId.parse(receipt.event_id) if receipt else None


@dataclass
class Rounds:
    """Plays through one engine, which may be another one from round to round."""

    rng: Random
    answered: list[Answered] = field(default_factory=list)
    _bets: dict[int, str] = field(default_factory=dict)
    _sessions: dict[int, str] = field(default_factory=dict)
    _op_ids: OpIds = field(default_factory=lambda: OpIds(lambda: round(time.time() * 1000)))

    async def play(self, engine: Engine, count: int, players: int = 5) -> None:
        """So many requests; those that the state of the game refuses leave nothing."""
        for _ in range(count):
            uid = self.rng.randint(1, players)
            command, request = self._next(uid)
            try:
                reply = await self._give(engine, command, uid, key := f"key-{next(_KEYS)}", request)
            except CroupierError as error:
                if error.code not in _NOT_NOW:
                    raise
                continue
            self.answered.append(Answered(command, uid, key, request, reply.reply))
            if command is BET:
                self._bets[uid] = reply.reply.game_id
            elif command is START:
                self._sessions[uid] = reply.reply.session_id

    async def bet(self, engine: Engine, uid: int, request: CrashBet) -> None:
        """A round of crash, which is left open."""
        key = f"key-{next(_KEYS)}"
        outcome = await self._give(engine, BET, uid, key, request)
        self.answered.append(Answered(BET, uid, key, request, outcome.reply))

    async def repeat(self, engine: Engine, answered: Answered) -> Any:
        """The outcome of the same request under the same key."""
        return await self._give(engine, answered.command, answered.uid, answered.key, answered.request)

    async def _give(
        self, engine: Engine, command: Command[Any, Any, Any], uid: int, key: str, request: msgspec.Struct
    ) -> Any:
        by_admin = command is DISTRIBUTE
        caller = Caller(
            ADMIN if by_admin else uid, "VIP", "admin" if by_admin else "user", self._op_ids.new(), key
        )
        return await engine.execute(command, caller, request)

    def _next(self, uid: int) -> tuple[Command[Any, Any, Any], msgspec.Struct]:
        rng, bet = self.rng, 100 * self.rng.randint(1, 20)
        match rng.randrange(9):
            case 0 | 1:
                return PULL, GachaPull(rng.choice([1, 10]), "festival", rng.random() < 0.5)
            case 2:
                return SPIN, SlotSpin(bet)
            case 3:
                return PLAY, RpsPlay("ROCK", bet)
            case 4 if uid not in self._bets:
                return BET, CrashBet(bet, rng.choice([None, 1.5]))
            case 4:
                return CASHOUT, CrashCashout(self._bets.pop(uid))
            case 5 if uid not in self._sessions:
                return START, SessionStart(rng.choice(["slot", "rps", "gacha", "crash"]))
            case 5:
                return END, SessionEnd(self._sessions.pop(uid))
            case 6:
                return ROTATE, FairnessRotate(rng.choice([None, "my seed"]))
            case 7:
                return DISTRIBUTE, RewardsDistribute(
                    uid, "TOKENS", 5, "gift", rng.choice([None, f"gift-{next(_KEYS)}"])
                )
        return PULL, GachaPull(1, "standard", False)
