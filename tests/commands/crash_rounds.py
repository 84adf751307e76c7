"""Crash rounds for the tests of commands: what players and the sweeper do, and players whose crash points are known."""

from typing import Any

from croupier.command import SYSTEM_ROLE, Caller
from croupier.crash.bet import BET
from croupier.crash.cashout import CASHOUT
from croupier.crash.settle import SETTLE
from croupier.engine import Engine
from croupier_schemas import keys
from croupier_schemas.crash import (
    CrashBet,
    CrashBetReply,
    CrashCashout,
    CrashCashoutReply,
    CrashSettle,
)
from croupier_schemas.economy import Economy
from croupier_schemas.events import Event
from croupier_schemas.records import CRASH, Crash
from tests.commands.economies import economy
from tests.commands.known_rolls import rolls_of
from tests.commands.world import P, World, caller
from tests.model import crash as model

CAP = 100_000
GROWTH = 60_000


def crash_economy(**settings: Any) -> Economy:
    """An economy in which players begin with 1,000,000 tokens, with these settings of the crash game."""
    return economy(initial_tokens=1_000_000, crash={"bet_min": 1, **settings})


def crash_point(uid: int, nonce: int = 1, cap: int = CAP) -> int:
    """Where the round with this nonce crashes, in hundredths, by the model."""
    return model.crash_m100(rolls_of(uid, nonce, 1)[0], cap)


def player_who_crashes(low: int, high: int, nonce: int = 1, *, cap: int = CAP, after: int = 0) -> int:
    """The first player, after that one, whose round with this nonce crashes from `low` to `high` hundredths."""
    return next(uid for uid in range(after + 1, 1_000_000) if low <= crash_point(uid, nonce, cap) <= high)


def ms_until(multiplier: int, growth: int = GROWTH) -> int:
    """The first millisecond of a round at which its multiplier is at least so much, by the model."""
    return model.over_after_ms(model.Bet(1, multiplier, CAP, growth, 0), CAP)


async def bet(
    world: World, uid: int, amount: int = 100, auto: float | None = None, *, key: str = "",
    engine: Engine | None = None, **who: Any,
) -> CrashBetReply:  # fmt: skip
    """Place a bet that must succeed or raise CroupierError."""
    asked = caller(uid, key=key, **who)
    return (await (engine or world.engine).execute(BET, asked, CrashBet(amount, auto))).reply


async def cash_out(
    world: World, uid: int, game_id: str, *, key: str = "", engine: Engine | None = None, **who: Any
) -> CrashCashoutReply:
    """Cash a round out, which must succeed or raise CroupierError."""
    asked = caller(uid, key=key, **who)
    return (await (engine or world.engine).execute(CASHOUT, asked, CrashCashout(game_id))).reply


async def settle(world: World, uid: int, game_id: str, *, engine: Engine | None = None) -> bool:
    """Settle a round as the sweeper does; whether it was over."""
    system = Caller(uid, "", SYSTEM_ROLE, caller(uid).op_id)
    outcome = await (engine or world.engine).execute(SETTLE, system, CrashSettle(game_id))
    return outcome.reply.settled


async def record(world: World, uid: int) -> Crash:
    """The player's crash record."""
    data: Any = await world.transport.call("GET", keys.crash(P, uid))
    return CRASH.unpack(data)


async def open_players(world: World) -> dict[int, int]:
    """The sweeper's index: the time of the bet, by player."""
    index: Any = await world.administer("ZRANGE", keys.crash_open(P), 0, -1, "WITHSCORES")
    return {int(uid): int(score) for uid, score in zip(index[::2], index[1::2], strict=True)}


async def settlements(world: World) -> list[Event]:
    return await world.events("crash.settled")
