"""Many hands at once: players, admins, operators, two sweepers and a clock, on several engines, as chance has it."""

import asyncio
import random
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from croupier.command import Caller
from croupier.crash.bet import BET
from croupier.crash.cashout import CASHOUT
from croupier.crash.sweep import OpenBets
from croupier.engine import Engine
from croupier.errors import CroupierError
from croupier.fairness.rotate import ROTATE
from croupier.gacha.pull import PULL
from croupier.partition import PartitionError
from croupier.pool import add_to_pool
from croupier.rewards.distribute import DISTRIBUTE
from croupier.rps.play import PLAY
from croupier.sessions.end import END
from croupier.sessions.start import START
from croupier.sessions.sweep import IdleSessions
from croupier.slot.spin import SPIN
from croupier_schemas.crash import CrashBet, CrashCashout
from croupier_schemas.economy import BALANCE_MAX, GAMES, Tier
from croupier_schemas.fairness import FairnessRotate
from croupier_schemas.gacha import GachaPull
from croupier_schemas.rewards import RewardsDistribute
from croupier_schemas.rps import RpsPlay
from croupier_schemas.session import SessionEnd, SessionStart
from croupier_schemas.slot import SlotSpin
from tests.commands.casino_economies import ECONOMIES
from tests.commands.world import P, World, caller, encoded

PLAYERS: Final = (1, 1, 1, 2, 2, 3, 4)
RICH, BANNED, EXCLUDED, ADMIN = 5, 6, 7, 900
TIERS: Final[tuple[Tier, ...]] = ("STANDARD", "PREMIUM", "VIP", "VIP", "VIP")
BETS: Final = (100, 100, 300, 1_000, 2_500, 137)
STEPS_MS: Final = (0, 1, 100, 250, 999, 1_000, 2_000, 5_000, 12_000, 40_000, 60_000, -1, -300, -5_000)
LEAPS_MS: Final = (3_600_000, 13 * 3_600_000, -70_000, -3_600_000)

REFUSALS: Final = frozenset(
    {
        "BANNER_NOT_FOUND", "PREMIUM_NOT_AVAILABLE", "GAME_DISABLED", "MAINTENANCE", "PLAYER_BANNED", "PLAYER_EXCLUDED",
        "RATE_LIMITED", "DAILY_GACHA_LIMIT", "INSUFFICIENT_BALANCE", "BALANCE_CAP", "BET_OUT_OF_RANGE",
        "CRASH_BET_ACTIVE", "CRASH_NO_ACTIVE_BET", "SESSION_NOT_FOUND", "PLAYER_NOT_FOUND", "EXPIRED",
    }
)  # fmt: skip
"""What a command may be refused for; where the clock leaps by an hour, what was on its way comes too late. Not among
them: anything that says that the engine does not know what it did."""

Call = tuple[Any, msgspec.Struct, Caller]


@dataclass
class Course:
    """One course of events on an open partition, by a seed; how commands meet on the server is left to the network.

    `acknowledged` are the events of first replies, `replies` all that named an event, by player and idempotency key.
    """

    world: World
    engines: list[Engine]
    chance: random.Random
    done: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    acknowledged: list[str] = field(default_factory=list)
    replies: dict[tuple[int, str], set[bytes]] = field(default_factory=dict)
    _sent: deque[Call] = field(default_factory=lambda: deque(maxlen=12))
    _rounds: deque[tuple[int, str]] = field(default_factory=lambda: deque(maxlen=6))
    _sessions: deque[tuple[int, str]] = field(default_factory=lambda: deque(maxlen=8))
    _keys: int = 0

    async def run(self, *, hands: int, commands: int) -> None:
        """So many commands, by so many hands at once; two of them also sweep."""
        left = iter(range(commands))
        await asyncio.gather(*(self._hand(number, left) for number in range(hands)))

    async def _hand(self, number: int, left: Any) -> None:
        engine = self.engines[number % len(self.engines)]
        sweeps = (OpenBets(engine, P), IdleSessions(engine, P)) if number < 2 else ()
        for _ in left:
            happening = self.chance.random()
            if happening < 0.2:
                self.world.clock.now_ms += self.chance.choice(LEAPS_MS if happening < 0.01 else STEPS_MS)
            elif happening < 0.215:
                # That in which all is on is soon in force again.
                await self.world.push(self.chance.choice(ECONOMIES if happening < 0.205 else ECONOMIES[:1]))
            elif happening < 0.23:
                await self._add_stock()
            if sweeps and self.chance.random() < 0.3:
                for each in sweeps:
                    await each.tick(self.world.clock())
            await self._execute(engine, *self._call())

    async def _add_stock(self) -> None:
        try:
            await add_to_pool(
                self.world.transport, self.world.engine.scripts, P, banner="limited", reason="more",
                rarity=self.chance.choice(("Legendary", "Epic", "Rare")), amount=self.chance.randint(1, 5),
            )  # fmt: skip
        except PartitionError as error:
            if "no limited pool" not in str(error):
                raise

    async def _execute(self, engine: Engine, command: Any, request: msgspec.Struct, asked: Caller) -> None:
        uid = command.player(request) if command.player else asked.uid
        try:
            reply, replayed, _ = await engine.execute(command, asked, request)
        except CroupierError as error:
            if error.code not in REFUSALS:
                raise
            self.refused[error.code] += 1
            return
        self.done[command.name + " again" * replayed] += 1
        if reply.receipt is not None:
            if not replayed:
                self.acknowledged.append(reply.receipt.event_id)
            if key := command.key(asked, request):
                self.replies.setdefault((uid, key), set()).add(encoded(reply))
        if command is BET:
            self._rounds.append((uid, reply.game_id))
        elif command is START:
            self._sessions.append((uid, reply.session_id))

    def _call(self) -> Call:
        """What somebody asks for now; one in ten times what was just asked, with the same key."""
        if self._sent and self.chance.random() < 0.1:
            command, request, asked = self.chance.choice(self._sent)
            return command, request, replace(asked, op_id=caller(asked.uid).op_id)
        command, request, asked = self._new_call()
        if asked.idempotency_key:
            self._sent.append((command, request, asked))
        return command, request, asked

    def _new_call(self) -> Call:
        uid, key, chance = self.chance.choice(PLAYERS), "", self.chance
        if chance.random() < 0.1:
            uid = chance.choice((RICH, RICH, BANNED, EXCLUDED))
        if chance.random() < 0.3:
            self._keys += 1
            key = f"key-{self._keys}"
        asked = caller(uid, tier=chance.choice(TIERS), key=key)
        match chance.randrange(16):
            case 0 | 1 | 2:
                banner, gems = chance.choice(("soft", "limited", "limited")), chance.random() < 0.3
                return PULL, GachaPull(10 if chance.random() < 0.3 else 1, banner, gems), asked
            case 3 | 4:
                return (
                    BET,
                    CrashBet(chance.choice(BETS), chance.choice((None, 1.01, 1.2, 1.5, 2.0, 3.0))),
                    asked,
                )
            case 5 | 6 if self._rounds:
                uid, game_id = chance.choice(self._rounds)
                return CASHOUT, CrashCashout(game_id), replace(asked, uid=uid)
            case 5 | 6:
                return BET, CrashBet(chance.choice(BETS), None), asked
            case 7 | 8 | 9:
                return SPIN, SlotSpin(chance.choice(BETS)), asked
            case 10 | 11 | 12:
                return PLAY, RpsPlay("PAPER", chance.choice((0, *BETS))), asked
            case 13 if chance.random() < 0.5:
                return ROTATE, FairnessRotate(chance.choice((None, "mine"))), asked
            case 13:
                return START, SessionStart(chance.choice(GAMES)), asked
            case 14 if self._sessions and chance.random() < 0.3:
                uid, session_id = chance.choice(self._sessions)
                return END, SessionEnd(session_id), replace(asked, uid=uid)
            case 14:
                return START, SessionStart(chance.choice(GAMES)), asked
            case _:
                return DISTRIBUTE, self._reward(uid), caller(ADMIN, role="admin", key=key)

    def _reward(self, uid: int) -> RewardsDistribute:
        """The rich one has nearly as much as there may be."""
        amount = self.chance.choice((BALANCE_MAX, 4_000, 200, 1) if uid == RICH else (1_000, 20_000))
        key = f"gift-{self.chance.randrange(40)}" if self.chance.random() < 0.5 else None
        kind = "GEMS" if self.chance.random() < 0.3 else "TOKENS"
        if (
            key is not None
        ):  # the same gift each time, since another one under its key is an error of the admin
            amount, kind = 1_000 + int(key[5:]), "TOKENS"
        return RewardsDistribute(uid, kind, amount, "by chance", key)  # type: ignore[arg-type]
