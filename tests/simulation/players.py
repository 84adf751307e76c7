"""Players, who ask for all that the casino has and try again as clients do; and a record of what they were told."""

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

import msgspec

from croupier.command import Caller, Command
from croupier.crash.bet import BET
from croupier.crash.cashout import CASHOUT
from croupier.errors import CroupierError
from croupier.fairness.rotate import ROTATE
from croupier.gacha.pull import PULL
from croupier.ops import OP
from croupier.rewards.distribute import DISTRIBUTE
from croupier.rps.play import PLAY
from croupier.sessions.end import END
from croupier.sessions.start import START
from croupier.slot.spin import SPIN
from croupier_schemas.crash import CrashBet, CrashCashout
from croupier_schemas.economy import GAMES
from croupier_schemas.events import EventId
from croupier_schemas.fairness import FairnessRotate
from croupier_schemas.gacha import GachaPull
from croupier_schemas.ops import OpQuery
from croupier_schemas.rewards import RewardsDistribute
from croupier_schemas.rps import RpsPlay
from croupier_schemas.session import SessionEnd, SessionStart
from croupier_schemas.slot import SlotSpin
from tests.simulation.world import Worker, World

ADMIN: Final = 900
NO_ANSWER: Final = "NO_ANSWER"
OK: Final = "OK"
PATIENCE_S: Final = 3.0
TRIES: Final = 4
TRY_AGAIN: Final = frozenset(
    {NO_ANSWER, "OUTCOME_UNKNOWN", "DURABILITY_TIMEOUT", "NOT_APPLIED", "NOT_READY", "EXPIRED", "OVERLOADED"}
)
REFUSALS: Final = frozenset(
    {
        "CRASH_BET_ACTIVE",
        "CRASH_NO_ACTIVE_BET",
        "SESSION_NOT_FOUND",
        "PLAYER_NOT_FOUND",
        "INSUFFICIENT_BALANCE",
    }
)
"""What a command may be refused for here. Any other code says that the product is at a loss."""
NOTHING_DONE: Final = REFUSALS | {"NOT_READY", "EXPIRED", "OVERLOADED"}


@dataclass(frozen=True, eq=False)
class Request:
    """What a player asks for; `key` is empty where it sends none."""

    command: Command[Any, Any, Any]
    body: msgspec.Struct
    uid: int
    key: str

    @property
    def logged_key(self) -> str:
        """The key as the event has it."""
        return self.command.key(self.caller(b""), self.body)

    def caller(self, op_id: bytes) -> Caller:
        if self.command is DISTRIBUTE:
            return Caller(ADMIN, "VIP", "admin", op_id, self.key)
        return Caller(self.uid, "VIP", "user", op_id, self.key)


@dataclass(eq=False)
class Attempt:
    """One attempt. `asked` and `answered` are places in the order of all that players did.

    `strict`: it is to be answered only when Postgres has its event.
    """

    request: Request
    asked: int
    strict: bool
    op_id: bytes = b""
    answered: int = -1
    status: str = NO_ANSWER
    replayed: bool = False
    data: bytes = b""

    @property
    def event(self) -> EventId | None:
        """The event that the reply names."""
        receipt = msgspec.json.decode(self.data).get("receipt") if self.status == OK else None
        return EventId.parse(receipt["event_id"]) if receipt else None


@dataclass(eq=False)
class Verdict:
    """What the product said had become of an attempt."""

    attempt: Attempt
    outcome: str
    event_id: str | None
    durable: bool | None


@dataclass(eq=False)
class Front:
    """Takes requests to workers, over a network that delays them; keeps every attempt and verdict."""

    world: World
    chance: Random
    attempts: list[Attempt] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    by_op: dict[bytes, Request] = field(default_factory=dict)
    _order: "itertools.count[int]" = field(default_factory=itertools.count)

    async def ask(self, request: Request) -> Attempt:
        """One attempt at some worker; whatever comes of it is an answer."""
        strict = request.command.waits_for_postgres(self.world.settings, request.caller(b""))
        attempt = Attempt(request, next(self._order), strict)
        self.attempts.append(attempt)

        async def execute(worker: Worker) -> tuple[str, bool, bytes]:
            assert worker.sources is not None
            engine = worker.sources.engine
            attempt.op_id = engine.op_ids.new()
            self.by_op[attempt.op_id] = request
            try:
                outcome = await engine.execute(request.command, request.caller(attempt.op_id), request.body)
            except CroupierError as error:
                return error.code, False, b""
            except Exception as error:  # a worker would answer INTERNAL
                return f"INTERNAL {error!r}", False, b""
            return OK, outcome.replayed, msgspec.json.encode(outcome.reply)

        answer = await self._at_worker(execute)
        if answer is not None:
            attempt.status, attempt.replayed, attempt.data = answer
        attempt.answered = next(self._order)
        self.world.say(
            "answer", request.command.name, uid=request.uid, key=request.key, op=attempt.op_id.hex(),
            status=attempt.status, event=str(attempt.event), replayed=attempt.replayed,
        )  # fmt: skip
        return attempt

    async def look_up(self, attempt: Attempt) -> None:
        """Ask what became of an attempt."""

        async def look(worker: Worker) -> Any:
            assert worker.sources is not None
            try:
                return await OP.answer(
                    worker.sources, Caller(ADMIN, "VIP", "admin", b""), OpQuery(attempt.op_id.hex())
                )
            except CroupierError:
                return None

        reply = await self._at_worker(look)
        if reply is not None:
            self.verdicts.append(Verdict(attempt, reply.outcome, reply.event_id, reply.durable))
            self.world.say("verdict", reply.outcome, op=attempt.op_id.hex(), event=reply.event_id)

    async def _at_worker(self, work: Callable[[Worker], Any]) -> Any:
        """What a worker answers; None where no answer comes."""
        world = self.world
        await asyncio.sleep(world.weather.latency_s())
        alive = [each for each in world.workers.values() if each.process.alive and each.sources]
        if not alive:
            return None
        worker = self.chance.choice(alive)
        answer = world.loop.create_future()

        def answered(value: Any) -> None:
            if not answer.done():
                answer.set_result(value)

        async def run() -> None:
            value = await work(worker)
            world.loop.call_later(world.weather.latency_s(), answered, value)

        worker.process.start(run())
        worker.process.on_kill.append(lambda: answered(None))
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await answer
        except TimeoutError:
            return None


class Player:
    """Plays everything, one request after the other; what was not answered is mostly asked for again under its key."""

    def __init__(self, front: Front, uid: int, chance: Random) -> None:
        self._front = front
        self._uid = uid
        self._chance = chance
        self._keys = itertools.count()
        self._game = ""
        self._sessions: list[str] = []

    async def play(self, until_s: float) -> None:
        """Play until that time on the clock of the loop."""
        world, chance = self._front.world, self._chance
        await self._ask(self._request(SPIN, SlotSpin(100)))  # from then on there is a player
        while world.loop.now_s < until_s:
            await asyncio.sleep(chance.uniform(0.0, 0.35))
            request = self._next()
            if request.key and chance.random() < 0.08:  # an impatient client, at two workers perhaps
                await asyncio.gather(self._ask(request), self._front.ask(request))
            else:
                await self._ask(request)

    async def _ask(self, request: Request) -> None:
        chance, front = self._chance, self._front
        for _ in range(TRIES):
            attempt = await front.ask(request)
            if attempt.status not in TRY_AGAIN:
                break
            if attempt.op_id and chance.random() < 0.3:
                await front.look_up(attempt)
            if not request.logged_key:
                return
            await asyncio.sleep(chance.uniform(0.05, 0.4))
        if attempt.status == OK:
            self._heard(attempt)
            if request.logged_key and chance.random() < 0.15:
                await front.ask(request)

    def _heard(self, attempt: Attempt) -> None:
        reply = msgspec.json.decode(attempt.data)
        if attempt.request.command is BET:
            self._game = reply["game_id"]
        elif attempt.request.command is START:
            self._sessions.append(reply["session_id"])

    def _request(self, command: Command[Any, Any, Any], body: msgspec.Struct) -> Request:
        key = f"{self._uid}-{next(self._keys)}" if self._chance.random() < 0.75 else ""
        return Request(command, body, self._uid, key)

    def _next(self) -> Request:
        chance, bet = self._chance, 100 * self._chance.randint(1, 9)
        match chance.randrange(12):
            case 0 | 1 | 2:
                return self._request(PULL, GachaPull(10 if chance.random() < 0.4 else 1, "main", False))
            case 3 | 4:
                return self._request(SPIN, SlotSpin(bet))
            case 5:
                return self._request(PLAY, RpsPlay("ROCK", bet))
            case 6 | 7 | 8 if self._game:
                game, self._game = self._game, ""
                return self._request(CASHOUT, CrashCashout(game))
            case 6 | 7 | 8:
                return self._request(BET, CrashBet(bet, chance.choice((None, 1.1, 1.5))))
            case 9 if chance.random() < 0.5:
                return self._request(ROTATE, FairnessRotate(chance.choice((None, "mine"))))
            case 9 | 10 if self._sessions and chance.random() < 0.5:
                return Request(END, SessionEnd(self._sessions.pop()), self._uid, "")
            case 9 | 10:
                return self._request(START, SessionStart(chance.choice(GAMES)))
            case _:
                return self._request(DISTRIBUTE, RewardsDistribute(self._uid, "TOKENS", 5, "gift", None))
