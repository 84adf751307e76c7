"""The command `crash.settle`, which the sweeper gives."""

from typing import NamedTuple

from croupier.command import Command, Context, Done, NoTerms
from croupier.crash.rounds import game_of
from croupier.gacha.table import CompiledEconomy
from croupier_schemas.crash import CrashSettle, CrashSettleReply


class SettleArguments(NamedTuple):
    """The arguments that `crash/settle.lua` declares itself."""

    member: str
    game: bytes


def _bind(context: Context, request: CrashSettle, _terms: NoTerms) -> SettleArguments:
    return SettleArguments(str(context.uid), game_of(request.game_id))


def _render(_economy: CompiledEconomy, _terms: NoTerms, done: Done) -> CrashSettleReply:
    return CrashSettleReply(settled=done.event is not None)


SETTLE = Command(
    name="crash.settle",
    path="",
    summary="Settle a crash round that is over",
    request=CrashSettle,
    reply=CrashSettleReply,
    arguments=SettleArguments,
    terms_type=NoTerms,
    terms=lambda _context, _request: NoTerms(),
    bind=_bind,
    render=_render,
    scope="",
    ends=True,
    errors=("CRASH_NO_ACTIVE_BET",),
)
