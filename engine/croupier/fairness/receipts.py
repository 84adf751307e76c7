"""The receipt of an event: what it and its economy say of an outcome, put so that a stranger can recompute it."""

import datetime
from collections.abc import Callable
from typing import Final, TypedDict

from croupier.clock import utc
from croupier.crash.rounds import OUTCOMES
from croupier.fairness.rotate import text
from croupier.gacha.pulled import Pull, pity
from croupier.gacha.table import CompiledBanner, CompiledEconomy
from croupier.rps.played import Play
from croupier.slot.machine import payout, wins
from croupier.slot.spun import Spin
from croupier_schemas import keys
from croupier_schemas.economy import RARITIES
from croupier_schemas.events import Event
from croupier_schemas.fairness import (
    CrashBetReceipt,
    CrashSettledReceipt,
    DrawRecord,
    GachaReceipt,
    ReceiptReply,
    RpsReceipt,
    SlotReceipt,
)
from croupier_schemas.records import (
    CRASH,
    CRASH_CASHED,
    CRASH_CRASHED,
    CRASH_SETTLED,
    DRAW_GUARANTEED,
    DRAW_HARD_PITY,
    DRAW_NEAR_MISS,
    DRAW_STOCK_SEEN,
    PLAYER,
    RPS_MOVES,
    RPS_OUTCOMES,
    Crash,
    GachaDraw,
    Player,
)
from croupier_schemas.slot import SlotLine


class Common(TypedDict):
    """The members that every receipt has, as in `croupier_schemas.fairness.ReceiptCommon`."""

    event_id: str
    seq: int
    time: datetime.datetime
    economy: str
    rules: int
    server_seed: str | None
    commitment: str
    client_seed: str
    nonce: int


def player_of(event: Event) -> Player:
    """The player as the event left them, with the seeds that its rolls came from. Raises ValueError for others."""
    return PLAYER.unpack(event.image(keys.player(event.id.partition, event.header.uid)) or b"")


def has_receipt(event: Event) -> bool:
    """Whether the event is one whose outcome can be recomputed."""
    return event.header.type in _RECEIPTS


def receipt_of(event: Event, economy: CompiledEconomy, server_seed: str | None) -> ReceiptReply:
    """The receipt of an event that has one, under the economy of its time; `server_seed` once it is revealed."""
    player = player_of(event)
    common = Common(
        event_id=str(event.id),
        seq=event.id.seq,
        time=utc(event.ts_ms),
        economy=economy.version,
        rules=event.header.rules,
        server_seed=server_seed,
        commitment=player.commitment.hex(),
        client_seed=text(player.client_seed, player.client_seed_length),
        nonce=player.nonce,
    )
    return _RECEIPTS[event.header.type](event, economy, common)


def _gacha(event: Event, economy: CompiledEconomy, common: Common) -> GachaReceipt:
    pull = Pull.of_event(event)
    banner = economy.banners[pull.terms.banner]
    return GachaReceipt(
        **common,
        banner=pull.terms.banner,
        table=banner.banner,
        state_before=pity(pull.seen),
        draws=[_draw(draw, banner) for draw in pull.draws],
    )


def _draw(draw: GachaDraw, banner: CompiledBanner) -> DrawRecord:
    return DrawRecord(
        rarity=RARITIES[draw.rarity - 1],
        item_id=banner.items[draw.rarity - 1][draw.item],
        near_miss=bool(draw.flags & DRAW_NEAR_MISS),
        hard_pity=bool(draw.flags & DRAW_HARD_PITY),
        guaranteed=bool(draw.flags & DRAW_GUARANTEED),
        downgraded_from=RARITIES[draw.downgraded_from - 1] if draw.downgraded_from else None,
        stock_seen=draw.stock if draw.flags & DRAW_STOCK_SEEN else None,
    )


def _slot(event: Event, economy: CompiledEconomy, common: Common) -> SlotReceipt:
    spin, slot = Spin.of_event(event), economy.economy.slot
    bet = spin.terms.bet
    return SlotReceipt(
        **common,
        table=slot,
        bet=bet,
        stops=spin.stops,
        lines=[
            SlotLine(win.line, win.symbol, win.count, payout(bet, [win])) for win in wins(slot, spin.stops)
        ],
        payout=spin.spun.payout,
    )


def _rps(event: Event, economy: CompiledEconomy, common: Common) -> RpsReceipt:
    play = Play.of_event(event)
    return RpsReceipt(
        **common,
        table=economy.economy.rps,
        bet=play.terms.bet,
        player_move=RPS_MOVES[play.terms.player_move],
        deterministic=play.terms.deterministic,
        server_move=RPS_MOVES[play.played.server_move],
        outcome=RPS_OUTCOMES[play.played.outcome],
        payout=play.played.payout,
    )


def _crash_bet(event: Event, _economy: CompiledEconomy, common: Common) -> CrashBetReceipt:
    crash = _crash(event)
    return CrashBetReceipt(
        **common,
        game_id=crash.game.hex(),
        bet=crash.bet,
        target_m100=crash.target_m100,
        cap_m100=crash.cap_m100,
        growth_ppm=crash.growth_ppm,
        started_at_ms=crash.started_at_ms,
    )


def _crash_settled(event: Event, _economy: CompiledEconomy, common: Common) -> CrashSettledReceipt:
    crash, played = _crash(event), CRASH_SETTLED.unpack(event.result)
    # Other games may have used nonces since the bet.
    common["nonce"] = played.nonce
    # Were the settlement lost, a round that was cashed out would go on: then nobody must know where it ends.
    hidden = crash.settled_outcome == CRASH_CASHED and common["server_seed"] is None
    return CrashSettledReceipt(
        **common,
        game_id=crash.settled_game.hex(),
        bet=crash.settled_bet,
        target_m100=played.target_m100,
        cap_m100=played.cap_m100,
        growth_ppm=played.growth_ppm,
        started_at_ms=played.started_at_ms,
        elapsed_ms=played.elapsed_ms,
        crash_m100=None if hidden else crash.settled_crash_m100,
        outcome=OUTCOMES[crash.settled_outcome],
        paid_m100=None if crash.settled_outcome == CRASH_CRASHED else crash.settled_m100,
        payout=crash.settled_payout,
    )


def _crash(event: Event) -> Crash:
    return CRASH.unpack(event.image(keys.crash(event.id.partition, event.header.uid)) or b"")


_RECEIPTS: Final[dict[str, Callable[[Event, CompiledEconomy, Common], ReceiptReply]]] = {
    "gacha.pulled": _gacha,
    "slot.spun": _slot,
    "rps.played": _rps,
    "crash.bet_placed": _crash_bet,
    "crash.settled": _crash_settled,
}
