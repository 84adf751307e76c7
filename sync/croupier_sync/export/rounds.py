"""What an event did in a game, as far as the reply of its command does not say: one pure function per type."""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from croupier.crash.bet import CrashBetTerms
from croupier.crash.settled import Settlement
from croupier.gacha.pulled import Pull
from croupier.rps.played import Play
from croupier.slot.spun import Spin
from croupier_schemas.events import Event
from croupier_schemas.messages import Draw, Pity, Round
from croupier_schemas.records import CURRENCY_TOKENS, DRAW_GUARANTEED, DRAW_HARD_PITY, DRAW_STOCK_SEEN


def _pulled(event: Event) -> Round:
    pull = Pull.of_event(event)
    seen = pull.seen
    return Round(
        game="gacha",
        currency="tokens" if pull.terms.currency == CURRENCY_TOKENS else "gems",
        staked=pull.terms.cost,
        paid=0,
        banner=pull.terms.banner,
        pity=Pity(seen.since_legendary, seen.since_epic, seen.since_rare, bool(seen.guaranteed)),
        draws=[
            Draw(
                bool(draw.flags & DRAW_HARD_PITY),
                bool(draw.flags & DRAW_GUARANTEED),
                draw.stock if draw.flags & DRAW_STOCK_SEEN else None,
            )
            for draw in pull.draws
        ],
    )


def _bet_placed(event: Event) -> Round:
    terms = msgspec.msgpack.decode(event.header.terms, type=CrashBetTerms)
    return Round(game="crash", currency="tokens", staked=terms.bet, paid=0)


def _settled(event: Event) -> Round:
    crash = Settlement.of_event(event).crash
    crash_point = crash.settled_crash_m100 / 100
    return Round(
        game="crash", currency="tokens", staked=0, paid=crash.settled_payout, crash_point=crash_point
    )


def _spun(event: Event) -> Round:
    spin = Spin.of_event(event)
    return Round(game="slot", currency="tokens", staked=spin.terms.bet, paid=spin.spun.payout)


def _played(event: Event) -> Round:
    play = Play.of_event(event)
    return Round(game="rps", currency="tokens", staked=play.terms.bet, paid=play.played.payout)


ROUNDS: Final[Mapping[str, Callable[[Event], Round]]] = {
    "gacha.pulled": _pulled,
    "crash.bet_placed": _bet_placed,
    "crash.settled": _settled,
    "slot.spun": _spun,
    "rps.played": _played,
}
"""By type of event. A type without a function is no round."""
