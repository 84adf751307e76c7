"""The command `crash.bet`."""

from typing import NamedTuple

import msgspec

from croupier.betting import balance_cap, insufficient, require_bet, require_open
from croupier.command import Command, Context, Done, receipt
from croupier.crash.odds import TARGET_MIN_M100
from croupier.crash.rounds import target_m100
from croupier.errors import CroupierError
from croupier.gacha.table import CompiledEconomy
from croupier_schemas.crash import CrashBet, CrashBetReply
from croupier_schemas.records import CRASH, PLAYER


class CrashBetTerms(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a crash bet was asked to be: tokens, and the multiplier in hundredths at which it is paid by itself."""

    bet: int
    target_m100: int


class BetArguments(NamedTuple):
    """The arguments that `crash/bet.lua` and its stage `stake` declare."""

    bet: int
    payout_most: int
    target_m100: int
    cap_m100: int
    growth_ppm: int
    member: str
    game: bytes


def _terms(context: Context, request: CrashBet) -> CrashBetTerms:
    require_open(context, "crash")
    crash = context.economy.economy.crash
    try:
        target = target_m100(request.auto_cashout, 100 * crash.max_multiplier)
    except ValueError as error:
        allowed = f"{TARGET_MIN_M100 / 100} to {crash.max_multiplier}, at most two decimals; or null"
        details = {"field": "auto_cashout", "allowed": allowed, "received": request.auto_cashout}
        raise CroupierError("VALIDATION_ERROR", f"auto_cashout: {error}", details=details) from None
    require_bet(request.bet_amount, crash)
    return CrashBetTerms(request.bet_amount, target)


def _bind(context: Context, _request: CrashBet, terms: CrashBetTerms) -> BetArguments:
    crash = context.economy.economy.crash
    return BetArguments(
        terms.bet,
        terms.bet * terms.target_m100 // 100,
        terms.target_m100,
        100 * crash.max_multiplier,
        crash.growth_ppm,
        str(context.uid),
        context.caller.op_id,
    )


def _render(_economy: CompiledEconomy, _terms: CrashBetTerms, done: Done) -> CrashBetReply:
    player, crash = PLAYER.unpack(done.images[0]), CRASH.unpack(done.images[1])
    return CrashBetReply(
        game_id=crash.game.hex(),
        commitment=player.commitment.hex(),
        started_at_ms=crash.started_at_ms,
        balance=player.tokens,
        receipt=receipt(done, crash.nonce, player.commitment),
    )


BET = Command(
    name="crash.bet",
    path="/api/games/crash/bet",
    summary="Place a crash bet, which begins a round",
    description=(
        "The bet is taken at once, and the round begins. `game_id` is what `crash/cashout` asks for. The "
        "multiplier is floor(100 * e^(growth * t)) / 100 at t seconds after `started_at_ms`; `crash/odds` has "
        "the growth."
    ),
    request=CrashBet,
    reply=CrashBetReply,
    arguments=BetArguments,
    terms_type=CrashBetTerms,
    terms=_terms,
    bind=_bind,
    render=_render,
    refusals={"INSUFFICIENT_BALANCE": insufficient, "BALANCE_CAP": balance_cap},
    strict=lambda settings: settings.crash_db_strict,
    errors=(
        "BET_OUT_OF_RANGE", "GAME_DISABLED", "MAINTENANCE", "PLAYER_BANNED", "PLAYER_EXCLUDED", "RATE_LIMITED",
        "CRASH_BET_ACTIVE", "INSUFFICIENT_BALANCE", "BALANCE_CAP",
    ),
    example=CrashBet(bet_amount=100, auto_cashout=2.5),
)  # fmt: skip
