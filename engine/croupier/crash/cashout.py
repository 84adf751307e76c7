"""The command `crash.cashout`."""

from typing import NamedTuple

from croupier.command import Command, Context, Done, NoTerms, receipt
from croupier.crash.rounds import game_of
from croupier.crash.settled import Settlement
from croupier.gacha.table import CompiledEconomy
from croupier_schemas.crash import CrashCashout, CrashCashoutReply


class CashoutArguments(NamedTuple):
    """The arguments that `crash/cashout.lua` declares itself."""

    member: str
    game: bytes


def _bind(context: Context, request: CrashCashout, _terms: NoTerms) -> CashoutArguments:
    return CashoutArguments(str(context.uid), game_of(request.game_id))


def _render(_economy: CompiledEconomy, _terms: NoTerms, done: Done) -> CrashCashoutReply:
    settlement = Settlement(done.images, done.result)
    crash, player, played = settlement.crash, settlement.player, settlement.played
    return CrashCashoutReply(
        game_id=crash.settled_game.hex(),
        multiplier=crash.settled_m100 / 100,
        payout=crash.settled_payout,
        profit=crash.settled_payout - crash.settled_bet,
        balance=player.tokens,
        outcome=settlement.outcome,
        # Not to who cashed out: were the settlement lost, the round would go on, and the point would be known.
        crash_point=None if settlement.outcome == "cashed" else crash.settled_crash_m100 / 100,
        receipt=receipt(done, played.nonce, player.commitment) if played else None,
    )


CASHOUT = Command(
    name="crash.cashout",
    path="/api/games/crash/cashout",
    summary="Cash an open crash round out",
    description=(
        "`game_id` is the one that `crash/bet` answered. A round that the server settled before is told "
        "again, as long as the player has settled no other since; `receipt` is null then, and the "
        "settlement's event is in the history."
    ),
    request=CrashCashout,
    reply=CrashCashoutReply,
    arguments=CashoutArguments,
    terms_type=NoTerms,
    terms=lambda _context, _request: NoTerms(),
    bind=_bind,
    render=_render,
    scope="cashout",
    ends=True,
    # What the server has settled is told without waiting: were the settlement lost, the bet would give the same again.
    strict=lambda settings: settings.crash_db_strict,
    errors=("PLAYER_BANNED", "RATE_LIMITED", "CRASH_NO_ACTIVE_BET"),
    example=CrashCashout(game_id="0192f0c1a2b3c4d5e6f708192a3b4c5d"),
)
