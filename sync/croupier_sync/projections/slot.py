"""What `slot.spun` means for queries."""

from croupier.slot.machine import window
from croupier.slot.spun import Spin
from croupier_schemas.events import Event
from croupier_sync.projections.economy import Economies
from croupier_sync.projections.rounds import Round, round_rows
from croupier_sync.rows import Row


def spun(event: Event, economies: Economies) -> list[Row]:
    spin = Spin.of_event(event)
    reels = window(economies[event.header.economy].slot.slot, spin.stops)
    meta = {"bet_amount": spin.terms.bet, "reels": reels, "payout": spin.spun.payout}
    return round_rows(event, Round("slot", "spin", spin.terms.bet, spin.spun.payout, meta, spin.player))
