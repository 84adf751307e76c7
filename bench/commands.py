"""The commands that are measured as scripts, and the states of players in which they are."""

from typing import Any, Final

from bench.recording import Case, Run
from croupier.actions.record import RECORD
from croupier.crash.bet import BET
from croupier.crash.cashout import CASHOUT
from croupier.crash.settle import SETTLE
from croupier.fairness.rotate import ROTATE
from croupier.gacha.pull import PULL
from croupier.rewards.distribute import DISTRIBUTE
from croupier.rps.play import PLAY
from croupier.sessions.end import END
from croupier.sessions.start import START
from croupier.slot.spin import SPIN
from croupier_schemas.actions import ActionsRecord
from croupier_schemas.crash import CrashBet, CrashCashout, CrashSettle
from croupier_schemas.fairness import FairnessRotate
from croupier_schemas.gacha import GachaPull
from croupier_schemas.rewards import RewardsDistribute
from croupier_schemas.rps import RpsPlay
from croupier_schemas.session import SessionEnd, SessionStart
from croupier_schemas.slot import SlotSpin

_HOUR_MS: Final = 3_600_000


async def exists(run: Run) -> Any:
    """The player has been drawn for before, as nearly all have."""
    return await run(SPIN, SlotSpin(bet_amount=100))


async def has_pulled(run: Run) -> Any:
    """The player has a history on the banner too."""
    return await run(PULL, GachaPull())


async def has_bet(run: Run) -> Any:
    """The player has an open crash bet."""
    await exists(run)
    return await run(BET, CrashBet(bet_amount=100))


async def has_session(run: Run) -> Any:
    """The player has an open session."""
    await exists(run)
    return await run(START, SessionStart(game_type="slot"))


ONE_PULL: Final = Case("gacha.pull", PULL, exists, lambda _, _uid: GachaPull(count=1))
PULL_AGAIN: Final = Case("gacha.pull again", PULL, has_pulled, ONE_PULL.request)
TEN_PULL: Final = Case("gacha.pull of ten", PULL, exists, lambda _, _uid: GachaPull(count=10))
COMMANDS: Final = (
    ONE_PULL,
    TEN_PULL,
    Case("slot.spin", SPIN, exists, lambda _, _uid: SlotSpin(bet_amount=100)),
    Case("rps.play", PLAY, exists, lambda _, _uid: RpsPlay(player_move="ROCK", bet_amount=100)),
    Case("crash.bet", BET, exists, lambda _, _uid: CrashBet(bet_amount=100)),
    Case("crash.cashout", CASHOUT, has_bet, lambda bet, _uid: CrashCashout(game_id=bet.game_id)),
    Case(
        "crash.settle",
        SETTLE,
        has_bet,
        lambda bet, _uid: CrashSettle(game_id=bet.game_id),
        earlier_ms=_HOUR_MS,
    ),
    Case("session.start", START, exists, lambda _, _uid: SessionStart(game_type="slot")),
    Case("session.end", END, has_session, lambda session, _uid: SessionEnd(session_id=session.session_id)),
    Case(
        "actions.record",
        RECORD,
        exists,
        lambda _, _uid: ActionsRecord(action_type="open_shop", action_data={"from": "lobby"}),
    ),
    Case("fairness.rotate", ROTATE, exists, lambda _, _uid: FairnessRotate()),
    Case(
        "rewards.distribute",
        DISTRIBUTE,
        exists,
        lambda _, uid: RewardsDistribute(
            user_id=uid, reward_type="TOKENS", amount=100, source_description="a benchmark"
        ),
    ),
)
