"""The command `slot.spin`."""

from typing import NamedTuple

from croupier.betting import balance_cap, insufficient, require_bet, require_open
from croupier.command import Command, Context, Done, receipt
from croupier.gacha.table import CompiledEconomy
from croupier.slot.machine import payout, window, wins
from croupier.slot.spun import Spin, SpinTerms
from croupier_schemas.slot import SlotLine, SlotSpin, SlotSpinReply


class SpinArguments(NamedTuple):
    """The arguments that `slot/spin.lua` and its stage `stake` declare."""

    bet: int
    payout_most: int
    reel_1: bytes
    reel_2: bytes
    reel_3: bytes
    lines: bytes
    paytable: bytes


def _terms(context: Context, request: SlotSpin) -> SpinTerms:
    require_open(context, "slot")
    require_bet(request.bet_amount, context.economy.slot.slot)
    return SpinTerms(request.bet_amount)


def _bind(context: Context, _request: SlotSpin, terms: SpinTerms) -> SpinArguments:
    slot = context.economy.slot
    return SpinArguments(
        terms.bet,
        terms.bet * slot.percent_max // 100,
        *slot.reels,
        slot.lines,
        slot.paytable,
    )


def _render(economy: CompiledEconomy, terms: SpinTerms, done: Done) -> SlotSpinReply:
    spin = Spin.of_done(terms, done)
    slot = economy.slot.slot
    return SlotSpinReply(
        reels=window(slot, spin.stops),
        lines=[
            SlotLine(win.line, win.symbol, win.count, payout(terms.bet, [win]))
            for win in wins(slot, spin.stops)
        ],
        payout=spin.spun.payout,
        balance=spin.player.tokens,
        receipt=receipt(done, spin.player.nonce, spin.player.commitment),
    )


SPIN = Command(
    name="slot.spin",
    path="/api/games/slot/spin",
    summary="Spin the slot machine once",
    request=SlotSpin,
    reply=SlotSpinReply,
    arguments=SpinArguments,
    terms_type=SpinTerms,
    terms=_terms,
    bind=_bind,
    render=_render,
    refusals={"INSUFFICIENT_BALANCE": insufficient, "BALANCE_CAP": balance_cap},
    errors=(
        "BET_OUT_OF_RANGE", "GAME_DISABLED", "MAINTENANCE", "PLAYER_BANNED", "PLAYER_EXCLUDED", "RATE_LIMITED",
        "INSUFFICIENT_BALANCE", "BALANCE_CAP",
    ),
    example=SlotSpin(bet_amount=100),
)  # fmt: skip
